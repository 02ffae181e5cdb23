//! Docker Hub's names: its images have one, what serves them has others, and docker configs have a key of their own for it.
//!
//! Here is all that regcred knows by heart of it. Which of the names counts where is said by whoever compares with it.

/// The host of its images, and the normal form of it as a server.
pub const HOST: &str = "docker.io";
/// Its old name, which its key in docker configs still has.
pub const INDEX: &str = "index.docker.io";
/// Where its registry API answers.
pub const API: &str = "registry-1.docker.io";
/// Where its registry gets its tokens from.
pub const TOKEN_SERVER: &str = "auth.docker.io";
/// Where people look for images.
pub const WEBSITE: &str = "hub.docker.com";
/// All names of it that people state as a server.
pub const NAMES: [&str; 5] = [HOST, INDEX, API, "registry.hub.docker.com", WEBSITE];

/// The key that its login has in every docker config (`docker login` writes it, and the kubelet's fallback for its images
/// finds exactly this one).
pub const CONFIG_KEY: &str = "https://index.docker.io/v1/";
/// The keys under which docker keeps its own session with it, which is no login.
pub const SESSION_KEYS: [&str; 2] =
    ["https://index.docker.io/v1/access-token", "https://index.docker.io/v1/refresh-token"];

/// An image for which it tells its limits to whoever asks, without counting it
/// (<https://docs.docker.com/docker-hub/usage/pulls/>).
pub const LIMITS_IMAGE: &str = "docker.io/ratelimitpreview/test:latest";
