//! The conventions of the clouds.

use super::{Examination, Login, PASSWORD, Remark, USERNAME, shape};

pub(super) fn aws_ecr(login: &Login<'_>, found: &mut Examination) -> Result<(), Remark> {
    let holds = |shape: fn(&str) -> bool| login.password.is_some_and(shape);
    if login.username == "AWS" {
        if holds(shape::is_aws_secret) {
            return Err(Remark {
                pointer: PASSWORD,
                detail: "is a secret access key: its user name is the access key id; AWS goes with a token of `aws ecr get-login-password`",
            });
        }
        if holds(shape::is_aws_key_id) {
            return Err(Remark {
                pointer: PASSWORD,
                detail: "is the id of an access key, which is a user name; AWS goes with a token of `aws ecr get-login-password`",
            });
        }
        if let Some(password) = login.password {
            found.ends_at = found.ends_at.or_else(|| shape::ecr_token_end(password));
            found.ends_after(login.now, 12);
            found.warn(PASSWORD, "is a token for 12 hours: then nothing can be pulled with it until it is replaced");
        }
    } else if shape::is_aws_key_id(login.username) {
        if holds(shape::is_ecr_token) {
            return Err(Remark {
                pointer: USERNAME,
                detail: "must be AWS with a token of `aws ecr get-login-password`; an access key id goes with its secret access key",
            });
        }
        if login.username.starts_with("ASIA") {
            found.warn(
                USERNAME,
                "is a temporary access key, which ends within hours: take one of a user made for pulling",
            );
        } else if login.password.is_some() && !holds(shape::is_aws_secret) {
            found.warn(PASSWORD, "is no secret access key, which has 40 characters");
        }
        found.warn(USERNAME, "is an access key, which a registry takes only by way of a token: until one is fetched with it, docker and Kubernetes cannot log in");
    } else {
        found.warn(USERNAME, "must be AWS with a token of `aws ecr get-login-password`, or the id of an access key with its secret access key");
    }
    Ok(())
}

pub(super) fn google(login: &Login<'_>, found: &mut Examination) -> Result<(), Remark> {
    let key_file = login.password.and_then(shape::key_file);
    let encoded = login.password.and_then(shape::key_file_in_base64);
    let clash = |pointer, detail| Err(Remark { pointer, detail });
    match (login.username, login.password) {
        ("_json_key" | "_json_key_base64", None) => return Ok(()),
        ("_json_key", Some(_)) if encoded.is_some() => {
            return clash(USERNAME, "must be _json_key_base64 for a key file in base64");
        }
        ("_json_key", Some(_)) if key_file.is_none() => {
            return clash(
                PASSWORD,
                "must be the key file of a service account, a JSON object, with the user name _json_key",
            );
        }
        ("_json_key_base64", Some(_)) if key_file.is_some() => {
            return clash(USERNAME, "must be _json_key for a key file that is not in base64");
        }
        ("_json_key_base64", Some(_)) if encoded.is_none() => {
            return clash(
                PASSWORD,
                "must be the key file of a service account in base64, with the user name _json_key_base64",
            );
        }
        ("_json_key" | "_json_key_base64", Some(_)) => {}
        ("oauth2accesstoken" | "_token" | "_dcgcloud_token", password) => {
            if key_file.is_some() {
                return clash(USERNAME, "must be _json_key for a key file");
            }
            if encoded.is_some() {
                return clash(USERNAME, "must be _json_key_base64 for a key file in base64");
            }
            if password.is_some() {
                found.ends_after(login.now, 1);
                found.warn(
                    PASSWORD,
                    "is an access token for one hour: then nothing can be pulled with it until it is replaced",
                );
            }
            return Ok(());
        }
        _ if key_file.is_some() => found.warn(USERNAME, "must be _json_key for a key file"),
        _ if encoded.is_some() => found.warn(USERNAME, "must be _json_key_base64 for a key file in base64"),
        _ => found.warn(USERNAME, "must be _json_key, _json_key_base64 or oauth2accesstoken"),
    }
    if let Some(file) = key_file.or(encoded) {
        if !file.is_service_account {
            found.warn(PASSWORD, "does not say that it is the key of a service account");
        }
        found.identity = file.identity;
    }
    Ok(())
}

/// The user name that goes with a token of Azure's.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

pub(super) fn azure(login: &Login<'_>, found: &mut Examination) -> Result<(), Remark> {
    let is_token = login.password.is_some_and(shape::is_jwt);
    match login.username {
        NOBODY if login.password.is_some() && !is_token => Err(Remark {
            pointer: PASSWORD,
            detail: "must be a token of `az acr login --expose-token` with a user name of zeros; a client secret goes with the application's id",
        }),
        NOBODY => {
            if is_token {
                found.ends_after(login.now, 3);
                found.warn(
                    PASSWORD,
                    "is a token for about 3 hours: then nothing can be pulled with it until it is replaced",
                );
            }
            Ok(())
        }
        _ if is_token => {
            found.warn(
                USERNAME,
                "must be 00000000-0000-0000-0000-000000000000 with a token of `az acr login --expose-token`",
            );
            Ok(())
        }
        "" => {
            found.warn(
                USERNAME,
                "must be the application's id of a service principal, or the name of a token of the registry",
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn digitalocean(login: &Login<'_>, found: &mut Examination) {
    // That the two are equal is told for every kind.
    let is_password = login.password == Some(login.username);
    if login.username.is_empty() {
        found.warn(USERNAME, "must be there: the e-mail address of the account, with the API token as the password");
    } else if !is_password && ["dop_v1_", "doo_v1_"].iter().any(|start| login.username.starts_with(start)) {
        found.warn(USERNAME, "is an API token, and is shown to everybody who may see this login: the e-mail address of the account will do");
    }
}

pub(super) fn alibaba(login: &Login<'_>, found: &mut Examination) {
    match login.username {
        "" => found.warn(USERNAME, "must be a RAM user such as user@account, or cr_temp_user with a temporary token"),
        "cr_temp_user" if login.password.is_some() => {
            found.ends_after(login.now, 1);
            found.warn(PASSWORD, "is a token for one hour: then nothing can be pulled with it until it is replaced");
        }
        _ => {}
    }
}

pub(super) fn ibm(login: &Login<'_>, found: &mut Examination) {
    match login.username {
        "iamapikey" => {}
        "iambearer" => {
            if login.password.is_some() {
                found.ends_after(login.now, 1);
                found.warn(
                    PASSWORD,
                    "is an access token for one hour: then nothing can be pulled with it until it is replaced",
                );
            }
        }
        "cp" if login.server.host() == "cp.icr.io" => {}
        _ if login.server.host() == "cp.icr.io" => found.warn(USERNAME, "must be cp with an entitlement key"),
        _ => found.warn(USERNAME, "must be iamapikey with an API key, or iambearer with an access token"),
    }
}
