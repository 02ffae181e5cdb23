//! The conventions of registries that are not a cloud's.

use super::{Examination, Login, PASSWORD, USERNAME};

pub(super) fn docker_hub(login: &Login<'_>, found: &mut Examination) {
    if login.username.is_empty() {
        found.warn(USERNAME, "must be a Docker ID, or the name of an organization with its access token");
    } else if login.username.contains('@') {
        found.warn(USERNAME, "must be the Docker ID, not the e-mail address");
    }
}

pub(super) fn github(login: &Login<'_>, found: &mut Examination) {
    let begins = |prefix: &str| login.password.is_some_and(|password| password.starts_with(prefix));
    if login.username.is_empty() {
        found.warn(USERNAME, "must not be empty: give the GitHub user name, or any other");
    }
    if begins("github_pat_") {
        found.warn(
            PASSWORD,
            "is a fine-grained token, which does not reach packages: take a classic one with read:packages",
        );
    } else if begins("ghs_") {
        found.warn(
            PASSWORD,
            "is the token of a job or an app, which ends with it: take a classic one with read:packages",
        );
    }
}

pub(super) fn gitlab(login: &Login<'_>, found: &mut Examination) {
    if login.username.is_empty() {
        found.warn(USERNAME, "must be the user name of a deploy token, or any name with an access token");
    } else if login.username == "gitlab-ci-token" {
        found.warn(
            USERNAME,
            "goes with the token of a CI job, which ends with the job: take a deploy token with read_registry",
        );
    }
}

pub(super) fn quay(login: &Login<'_>, found: &mut Examination) {
    let is_robot = login.username.split_once('+').is_some_and(|(space, name)| !space.is_empty() && !name.is_empty());
    if !is_robot && !["$oauthtoken", "$app"].contains(&login.username) {
        found.warn(USERNAME, "is no robot account such as namespace+robot, nor $oauthtoken or $app");
    }
}

pub(super) fn harbor(login: &Login<'_>, found: &mut Examination) {
    if login.username.is_empty() {
        found.warn(USERNAME, "must be a robot account such as robot$project+name, or a user");
    } else if login.username.starts_with("robot") && !login.username.contains('$') {
        found.warn(USERNAME, "is a robot's name without its '$': put it in single quotes, or the shell takes what follows for a variable");
    } else if !login.username.contains('$') {
        found.warn(USERNAME, "is no robot account such as robot$project+name");
    }
}
