//! Images that replace the golden's: `NAME=IMAGE`, or `IMAGE` in place of every one from the same repository.
//!
//! Source of the grammar: <https://pkg.go.dev/github.com/distribution/reference>. Digests are never edited.

use std::fmt;
use std::str::FromStr;

/// An image for some containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOverride {
    /// `WORKLOAD/CONTAINER`, a container, a workload that has only one, or the repository of the golden's image.
    pub name: String,
    /// The image.
    pub image: String,
}

/// Why a text is no [`ImageOverride`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    /// What stands before the `=` can be none of these.
    #[error("must be NAME=IMAGE, where NAME is a container, WORKLOAD/CONTAINER, a workload or a repository")]
    NoName,
    /// There is nothing after the `=`.
    #[error("names no image after the =")]
    NoImage,
    /// What stands after the `=` is no image.
    #[error("is no image: {0}")]
    Malformed(&'static str),
}

impl FromStr for ImageOverride {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let (name, image) = match text.split_once('=') {
            Some(pair) => pair,
            None => (repository(text), text),
        };
        // A name alone says neither which image nor, as an image, which version of it.
        let named = text.contains('=') || text.contains(['/', ':', '@']);
        if !named || check(name).is_err() || name.contains(['@']) || repository(name) != name {
            return Err(InvalidImage::NoName);
        }
        check(image)?;
        Ok(ImageOverride {
            name: name.to_owned(),
            image: image.to_owned(),
        })
    }
}

impl fmt::Display for ImageOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.image)
    }
}

impl ImageOverride {
    /// How exactly this means the container `container` of `workload`, which has `single` one and runs `image`; greater is
    /// more exact, `None` where it is not meant.
    pub(super) fn means(&self, workload: &str, container: &str, single: bool, image: &str) -> Option<u8> {
        if self.name == format!("{workload}/{container}") {
            Some(3)
        } else if self.name == container {
            Some(2)
        } else if single && self.name == workload {
            Some(1)
        } else {
            (familiar(&self.name) == familiar(repository(image))).then_some(0)
        }
    }
}

/// What stands before tag and digest.
pub fn repository(image: &str) -> &str {
    let rest = image.split('@').next().unwrap_or_default();
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    match rest[last..].find(':') {
        Some(at) => &rest[..last + at],
        None => rest,
    }
}

/// A repository without what Docker Hub's may leave out.
fn familiar(repository: &str) -> &str {
    let rest = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|registry| repository.strip_prefix(registry))
        .unwrap_or(repository);
    rest.strip_prefix("library/").unwrap_or(rest)
}

/// Whether `image` is a reference that a container runtime takes apart.
fn check(image: &str) -> Result<(), InvalidImage> {
    let malformed = |what| Err(InvalidImage::Malformed(what));
    if image.is_empty() {
        return Err(InvalidImage::NoImage);
    }
    if image.len() > 512 {
        return malformed("longer than 512 characters");
    }
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    if let Some(digest) = digest {
        let hex = |text: &str| text.len() >= 32 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        if !digest
            .split_once(':')
            .is_some_and(|(algorithm, sum)| !algorithm.is_empty() && hex(sum))
        {
            return malformed("the digest after @ must read sha256:<hex>");
        }
    }
    // A colon belongs to the tag only after the last slash; before it, it is the registry's port.
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[last..].rfind(':') {
        Some(at) => (&rest[..last + at], Some(&rest[last + at + 1..])),
        None => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return malformed("the tag after : must be 1 to 128 of letters, digits, _ . -");
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    let registry =
        |part: &str| part.contains(['.', ':']) || part == "localhost" || part.chars().any(char::is_uppercase);
    if parts.len() > 1 && registry(parts[0]) && !is_registry(parts.remove(0)) {
        return malformed("the registry before the first / must be a host with an optional port");
    }
    if parts.iter().all(|part| is_component(part)) {
        Ok(())
    } else {
        malformed("a repository is written in lower-case letters, digits and single separators . _ -")
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&tag.len())
        && tag.starts_with(word)
        && tag.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn is_registry(part: &str) -> bool {
    let (host, port) = part
        .split_once(':')
        .map_or((part, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_component(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(word)
        && part.ends_with(word)
        && part.chars().all(|c| word(c) || matches!(c, '.' | '_' | '-'))
        && !part.contains("..")
        && !part.contains("___")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_what_a_runtime_takes() {
        // A16
        for image in [
            "nginx",
            "nginx:1.27",
            "library/nginx",
            "registry.example.com/web:pr-7-abc123",
            "registry:5000/team/web",
            "registry:5000/team/web:v1",
            "localhost/web",
            "ghcr.io/o/r__x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "ghcr.io/o/r:v1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(check(image), Ok(()), "{image}");
        }
    }

    #[test]
    fn refuses_nonsense() {
        // F05
        for text in [
            "nonsense",
            "=nginx",
            "web",
            "Web=nginx",
            "a b=nginx",
            "web:1=nginx",
        ] {
            assert_eq!(text.parse::<ImageOverride>(), Err(InvalidImage::NoName), "{text}");
        }
        assert_eq!("web=".parse::<ImageOverride>(), Err(InvalidImage::NoImage));
        for image in [
            "Nginx",
            "nginx:",
            "nginx:a b",
            "a//b",
            "/a",
            "a/",
            "nginx@sha256:xyz",
            "a:b:c",
            "re gistry/x",
            "-x",
        ] {
            assert!(
                format!("web={image}").parse::<ImageOverride>().is_err(),
                "{image}"
            );
        }
    }

    #[test]
    fn the_most_exact_name_counts() {
        let means = |text: &str| {
            let image: ImageOverride = text.parse().unwrap();
            image.means("web", "app", true, "docker.io/library/nginx:1.27@sha256:00")
        };
        assert_eq!(means("web/app=x:1"), Some(3));
        assert_eq!(means("app=x:1"), Some(2));
        assert_eq!(means("web=x:1"), Some(1));
        assert_eq!(means("nginx=x:1"), Some(0));
        assert_eq!(means("docker.io/library/nginx:1.28"), Some(0));
        assert_eq!(means("api/app=x:1"), None);
        assert_eq!(means("registry.example.com/nginx:1"), None);
        assert_eq!(repository("registry:5000/a/b"), "registry:5000/a/b");
        assert_eq!(repository("registry:5000/a/b:v1"), "registry:5000/a/b");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z=:@/.é-]{0,40}") {
            let _ = text.parse::<ImageOverride>();
        }
    }
}
