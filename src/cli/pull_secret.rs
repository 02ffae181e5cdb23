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
use clap::Args;
use std::path::PathBuf;

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
    #[arg(short, long, value_name = "ORG/PROJECT")]
    project: Option<ProjectPath>,
    /// Only what this image needs (may be repeated)
    #[arg(short, long = "image", value_name = "IMAGE")]
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
    let answer = session.client.pull_secret(&project, &args.images, None).await.map_err(|error| {
        session.explain(&scope)(error).hint_if(Exit::NotFound, || {
            format!(
                "does `regcred project get {project}` find it? If so, name the internal listener with --internal-url"
            )
        })
    })?;
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
    match &args.output_file {
        Some(path) => Ok(private_file::write(path, bytes)?),
        None => output::data(bytes),
    }
}
