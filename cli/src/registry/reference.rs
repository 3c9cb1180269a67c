//! Where an image lies: registry, repository, and tag or digest.
//!
//! Source of the rules: <https://pkg.go.dev/github.com/distribution/reference>; the grammar was checked by the core.

use std::fmt;
use std::net::IpAddr;

/// Docker Hub, as images name it, and the host of its API.
const HUB: &str = "docker.io";
const HUB_API: &str = "registry-1.docker.io";

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host and port as credentials name them; `docker.io` for Docker Hub's.
    pub registry: String,
    /// The repository within it.
    pub repository: String,
    /// The tag, or the digest.
    pub version: String,
}

impl Reference {
    /// Takes an image apart.
    pub fn new(image: &str) -> Self {
        let (name, digest) = image
            .split_once('@')
            .map_or((image, None), |(name, digest)| (name, Some(digest)));
        let last = name.rfind('/').map_or(0, |at| at + 1);
        // Before the last slash a colon is the registry's port.
        let (name, tag) = match name[last..].find(':') {
            Some(at) => (&name[..last + at], Some(&name[last + at + 1..])),
            None => (name, None),
        };
        let host = |part: &str| {
            part.contains(['.', ':']) || part == "localhost" || part.chars().any(char::is_uppercase)
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if host(first) => (first, rest.to_owned()),
            _ => (HUB, name.to_owned()),
        };
        let registry = if registry == "index.docker.io" {
            HUB
        } else {
            registry
        };
        let official = registry == HUB && !repository.contains('/');
        Reference {
            registry: registry.to_owned(),
            repository: if official {
                format!("library/{repository}")
            } else {
                repository
            },
            version: digest.or(tag).unwrap_or("latest").to_owned(),
        }
    }

    /// Scheme, host and port of the registry's API. Plain HTTP is for this machine alone.
    pub fn origin(&self) -> String {
        let host = if self.registry == HUB {
            HUB_API
        } else {
            &self.registry
        };
        let scheme = if is_loopback(host) { "http" } else { "https" };
        format!("{scheme}://{host}")
    }

    /// Whether it is named by its digest already.
    pub fn is_pinned(&self) -> bool {
        self.version.contains(':')
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.is_pinned() { '@' } else { ':' };
        write!(
            f,
            "{}/{}{separator}{}",
            self.registry, self.repository, self.version
        )
    }
}

/// Whether an authority, with or without a port, is this machine.
pub fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_taken_apart_as_a_runtime_would() {
        for (image, origin, rest) in [
            (
                "nginx",
                "https://registry-1.docker.io",
                "docker.io/library/nginx:latest",
            ),
            (
                "team/web:1",
                "https://registry-1.docker.io",
                "docker.io/team/web:1",
            ),
            (
                "docker.io/nginx:1.27",
                "https://registry-1.docker.io",
                "docker.io/library/nginx:1.27",
            ),
            (
                "index.docker.io/library/nginx",
                "https://registry-1.docker.io",
                "docker.io/library/nginx:latest",
            ),
            ("ghcr.io/o/r/s:pr-7", "https://ghcr.io", "ghcr.io/o/r/s:pr-7"),
            (
                "registry:5000/web",
                "https://registry:5000",
                "registry:5000/web:latest",
            ),
            (
                "localhost:5000/web:1",
                "http://localhost:5000",
                "localhost:5000/web:1",
            ),
            ("localhost/web", "http://localhost", "localhost/web:latest"),
            (
                "127.0.0.1:5000/a/b:1",
                "http://127.0.0.1:5000",
                "127.0.0.1:5000/a/b:1",
            ),
            (
                "ghcr.io/o/r:1@sha256:00",
                "https://ghcr.io",
                "ghcr.io/o/r@sha256:00",
            ),
        ] {
            let reference = Reference::new(image);
            assert_eq!(
                (reference.origin().as_str(), reference.to_string().as_str()),
                (origin, rest),
                "{image}"
            );
        }
        assert!(!is_loopback("127.0.0.1.example.com") && !is_loopback("localhost.example.com:80"));
    }
}
