//! Where docker and podman keep the logins of whoever runs this.

use super::Environment;
use std::path::PathBuf;

/// The files that docker would read, the first that is there.
#[must_use]
pub fn docker_files() -> Vec<PathBuf> {
    docker_files_in(Environment::PROCESS)
}

/// The files that podman would read, the first that is there.
#[must_use]
pub fn podman_files() -> Vec<PathBuf> {
    podman_files_in(Environment::PROCESS, rustix::process::getuid().as_raw())
}

fn docker_files_in(environment: Environment<'_>) -> Vec<PathBuf> {
    let folder = environment.path("DOCKER_CONFIG");
    let folder = folder.or_else(|| environment.path("HOME").map(|home| home.join(".docker")));
    folder.map(|folder| folder.join("config.json")).into_iter().collect()
}

/// Podman writes to a folder that is gone with the session, and also reads one that stays.
fn podman_files_in(environment: Environment<'_>, user: u32) -> Vec<PathBuf> {
    if let Some(file) = environment.path("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    // Without a folder of the session, podman takes one of its own, with nothing between.
    let session = match environment.path("XDG_RUNTIME_DIR") {
        Some(folder) => folder.join("containers/auth.json"),
        None => format!("/run/containers/{user}/auth.json").into(),
    };
    let kept = environment.path("XDG_CONFIG_HOME");
    let kept = kept.or_else(|| environment.path("HOME").map(|home| home.join(".config")));
    [Some(session), kept.map(|folder| folder.join("containers/auth.json"))].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn in_environment<T>(variables: &[(&str, &str)], read: impl Fn(Environment<'_>) -> T) -> T {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        read(Environment(&find))
    }

    fn texts(paths: &[PathBuf]) -> Vec<&str> {
        paths.iter().map(|path| path.to_str().unwrap()).collect()
    }

    #[test]
    fn docker_s_file_is_where_docker_looks_for_it() {
        for (variables, expected) in [
            (&[("HOME", "/home/you")][..], &["/home/you/.docker/config.json"][..]),
            (&[("HOME", "/home/you"), ("DOCKER_CONFIG", "/etc/docker-you")], &["/etc/docker-you/config.json"]),
            (&[("HOME", "/home/you"), ("DOCKER_CONFIG", "")], &["/home/you/.docker/config.json"]),
            (&[], &[]),
        ] {
            assert_eq!(texts(&in_environment(variables, docker_files_in)), expected, "{variables:?}");
        }
    }

    #[test]
    fn podman_s_files_are_where_podman_looks_for_them_in_its_order() {
        for (variables, expected) in [
            (&[("REGISTRY_AUTH_FILE", "/x/auth.json"), ("HOME", "/home/you")][..], &["/x/auth.json"][..]),
            (
                &[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/you")],
                &["/run/user/7/containers/auth.json", "/home/you/.config/containers/auth.json"],
            ),
            (
                &[("XDG_CONFIG_HOME", "/cfg"), ("HOME", "/home/you")],
                &["/run/containers/7/auth.json", "/cfg/containers/auth.json"],
            ),
            (&[], &["/run/containers/7/auth.json"]),
        ] {
            assert_eq!(texts(&in_environment(variables, |all| podman_files_in(all, 7))), expected, "{variables:?}");
        }
    }
}
