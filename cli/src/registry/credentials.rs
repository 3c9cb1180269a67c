//! Who somebody is to a registry: pull Secrets, and the file of `docker login`.
//!
//! Source: <https://kubernetes.io/docs/concepts/containers/images/#config-json>: hosts may hold `*`, and a path narrows an
//! entry to what lies below it. Neither a password nor a part of such a file ever stands in an error.

use super::reference::Reference;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A user and a password. Prints nothing of itself.
#[derive(Clone)]
pub struct Credential {
    user: String,
    password: SecretString,
    /// Where it stands, for people.
    pub source: String,
}

impl Credential {
    /// The header `Authorization` of the scheme Basic.
    pub fn header(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.user, self.password.expose_secret());
        let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// All credentials at hand.
#[derive(Default)]
pub struct Keyring {
    entries: Vec<Entry>,
    /// What was found but cannot be used, for people.
    pub notes: Vec<String>,
}

struct Entry {
    host: String,
    path: String,
    credential: Credential,
}

/// `config.json` of Docker, which is also what a pull Secret holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Auth {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
}

impl Keyring {
    /// Adds what stands in `text`, which comes from `source`. What cannot be used is noted.
    pub fn add(&mut self, source: &str, text: &str) {
        // The parser's message would quote what it found.
        match serde_json::from_str::<File>(text) {
            Ok(file) => self.extend(source, file),
            Err(_) => self
                .notes
                .push(format!("{source} is no configuration of credentials")),
        }
    }

    /// Adds the older form, which is the entries alone.
    pub fn add_entries(&mut self, source: &str, text: &str) {
        self.add(source, &format!("{{\"auths\":{text}}}"));
    }

    fn extend(&mut self, source: &str, file: File) {
        let helpers: Vec<_> = file
            .creds_store
            .into_iter()
            .chain(file.cred_helpers.into_values())
            .collect();
        if let Some(helper) = helpers.first() {
            self.notes.push(format!(
                "{source} leaves credentials to the helper docker-credential-{helper}, which is not asked"
            ));
        }
        for (key, auth) in file.auths {
            let Some((user, password)) = auth.pair() else {
                if auth.identitytoken.is_some() {
                    self.notes.push(format!(
                        "{source} has an identity token for {key}, which is not used"
                    ));
                }
                continue;
            };
            let (host, path) = place(&key);
            self.entries.push(Entry {
                host,
                path,
                credential: Credential {
                    user,
                    password,
                    source: source.to_owned(),
                },
            });
        }
    }

    /// What may be shown to the registry of `image`, the most exact entry first.
    pub fn of(&self, image: &Reference) -> Vec<&Credential> {
        let mut found: Vec<_> = self.entries.iter().filter(|entry| entry.means(image)).collect();
        // Stable: of equally exact ones the first source counts.
        found.sort_by_key(|entry| std::cmp::Reverse(entry.path.len()));
        found.into_iter().map(|entry| &entry.credential).collect()
    }
}

impl Auth {
    fn pair(&self) -> Option<(String, SecretString)> {
        if let (Some(user), Some(password)) = (&self.username, &self.password) {
            return Some((user.clone(), password.as_str().into()));
        }
        let decoded = BASE64_STANDARD.decode(self.auth.as_ref()?.trim()).ok()?;
        let text = SecretString::from(String::from_utf8(decoded).ok()?);
        let (user, password) = text.expose_secret().split_once(':')?;
        (!user.is_empty()).then(|| (user.to_owned(), password.trim_end_matches('\0').into()))
    }
}

impl Entry {
    fn means(&self, image: &Reference) -> bool {
        let below = |path: &str| {
            image
                .repository
                .strip_prefix(path)
                .is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        matches(&self.host, &image.registry) && below(&self.path)
    }
}

/// Host and path of an entry's key: `https://index.docker.io/v1/`, `ghcr.io`, `*.example.com/team`.
fn place(key: &str) -> (String, String) {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_matches('/');
    let path = ["v1", "v2"]
        .iter()
        .find_map(|version| {
            path.strip_prefix(version)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .unwrap_or(path);
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io",
        host => host,
    };
    (host.to_owned(), path.trim_matches('/').to_owned())
}

/// Whether `pattern`, label by label, means `host`; a port must be the same.
fn matches(pattern: &str, host: &str) -> bool {
    let (patterns, labels): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), host.split('.').collect());
    let label = |(pattern, label): (&&str, &&str)| match pattern.split_once('*') {
        Some((before, after)) => {
            label.len() >= before.len() + after.len() && label.starts_with(before) && label.ends_with(after)
        }
        None => pattern == label,
    };
    patterns.len() == labels.len() && patterns.iter().zip(&labels).all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(keyring: &Keyring, image: &str) -> Vec<String> {
        let found = keyring.of(&Reference::new(image));
        found.into_iter().map(|found| found.user.clone()).collect()
    }

    #[test]
    fn credentials_go_to_the_registry_and_path_they_are_for() {
        let mut keyring = Keyring::default();
        let auth = BASE64_STANDARD.encode("hub:hunter2");
        let text = format!(
            r#"{{"auths": {{
                "https://index.docker.io/v1/": {{"auth": "{auth}"}},
                "ghcr.io": {{"username": "all", "password": "x"}},
                "ghcr.io/team": {{"username": "team", "password": "x"}},
                "*.example.com:5000": {{"username": "port", "password": "x"}},
                "empty.example.com": {{}}
            }}}}"#
        );
        keyring.add("Secret pull", &text);
        assert_eq!(users(&keyring, "nginx"), ["hub"]);
        assert_eq!(users(&keyring, "ghcr.io/team/web:1"), ["team", "all"]);
        assert_eq!(users(&keyring, "ghcr.io/teams/web:1"), ["all"]);
        assert_eq!(users(&keyring, "a.example.com:5000/web"), ["port"]);
        for other in [
            "a.example.com/web",
            "a.b.example.com:5000/web",
            "ghcr.io.evil.example/web",
            "empty.example.com/x",
        ] {
            assert!(users(&keyring, other).is_empty(), "{other}");
        }
        assert!(keyring.notes.is_empty());
    }

    #[test]
    fn what_cannot_be_used_is_noted_without_what_it_holds() {
        // F06
        let mut keyring = Keyring::default();
        keyring.add("a", r#"{"credsStore": "desktop"}"#);
        keyring.add(
            "b",
            r#"{"auths": {"x.azurecr.io": {"identitytoken": "hunter2"}}}"#,
        );
        keyring.add("c", r#"{"auths": "hunter2"}"#);
        keyring.add_entries("d", "{}");
        let notes = keyring.notes.join("\n");
        assert!(
            notes.contains("docker-credential-desktop") && notes.contains("identity token"),
            "{notes}"
        );
        assert_eq!(keyring.notes.len(), 3);
        assert!(!notes.contains("hunter2"), "{notes}");
    }

    #[test]
    fn a_header_with_a_password_is_marked_as_one() {
        // F06
        let mut keyring = Keyring::default();
        keyring.add(
            "a",
            r#"{"auths": {"x.io": {"username": "u", "password": "hunter2"}}}"#,
        );
        let header = keyring.of(&Reference::new("x.io/a"))[0].header().unwrap();
        assert!(!format!("{header:?}").contains("dTpodW50ZXIy"));
    }
}
