//! `regcred pull-secret`.

use super::{
    exit::Exit,
    failure::Failure,
    output,
    session::{Session, flag},
};
use crate::{
    client::PullSecret,
    config::{client::ClientOptions, private_file},
    domain::scope::{ProjectPath, Scope},
};
use clap::{Args, ValueHint};
use serde::{Deserialize, de::IgnoredAny};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    path::PathBuf,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred pull-secret --project acme/shop --output-file deploy/config.json

  Only what these images need:
    regcred pull-secret -p acme/shop --image ghcr.io/acme/shop:1.2 --image redis

  As a secret of Kubernetes:
    regcred pull-secret -p acme/shop | kubectl create secret generic regcred \\
      --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=/dev/stdin

It takes a token with the role deployer, and the internal listener.";

/// Prints a project's docker configuration.
#[derive(Args)]
pub(super) struct PullSecretArgs {
    /// The project [env: REGCRED_PROJECT, or the context's]
    #[arg(short, long, value_name = "ORG/PROJECT", value_hint = ValueHint::Other)]
    project: Option<ProjectPath>,
    /// Only what this image needs (may be repeated)
    #[arg(short, long = "image", value_name = "IMAGE", value_hint = ValueHint::Other)]
    images: Vec<String>,
    /// Write it to a file (mode 0600, whole or not at all) instead of standard output
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    connection: ClientOptions,
}

pub(super) async fn run(args: PullSecretArgs) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let project = session.project(args.project.as_ref())?;
    let scope = Scope::Project(project.clone());
    let answer = session.client.pull_secret(&project, &args.images, None).await;
    let answer = answer.map_err(session.explain_internal(Some(&project)))?;
    let PullSecret::Document { body, omitted, .. } = answer else {
        return Err(Failure::new(Exit::Failure, "the service says 'not modified' without having been asked"));
    };
    for left_out in &omitted {
        output::warn(&format!(
            "credential {} is left out: {} (see `regcred get {0}{}`)",
            left_out.id,
            left_out.reason,
            flag(&scope)
        ));
    }
    let bytes = body.expose();
    if serde_json::from_slice::<Keys>(bytes).is_ok_and(|keys| keys.auths.is_empty()) {
        output::warn(&match args.images.as_slice() {
            [] => format!("{project} has no login to hand out"),
            images => format!("no login of {project} fits {}", images.join(" or ")),
        });
    }
    match &args.output_file {
        Some(path) => Ok(private_file::write(path, bytes)?),
        None if io::stdout().is_terminal() => output::data(bytes).and_then(|()| output::data(b"\n")),
        None => output::data(bytes),
    }
}

/// The registries of a docker configuration, without what is secret in it.
#[derive(Deserialize)]
struct Keys {
    #[expect(clippy::zero_sized_map_values, reason = "serde reads no set from an object")]
    auths: BTreeMap<String, IgnoredAny>,
}
