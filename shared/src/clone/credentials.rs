//! Passwords inside the environment: a data server that is part of the golden gets a new one in the clone, and every place
//! that repeats it says the same.
//!
//! A password counts as the environment's own where a data server of the golden takes it from its variables or arguments, or
//! where a connection to one of the golden's Services carries it. Whatever else looks like one stays what it is: somebody
//! else's secret.
//!
//! Which password the clone's server has is decided once, for every place and every Secret:
//!
//! 1. What somebody gives, with `--secret` or `--set-env`, beats what is generated; a server's own place beats its clients'.
//! 2. Otherwise it is generated, also in Secrets that the policy lists for copying or the manifests hold.
//! 3. Where somebody else makes the Secret, as External Secrets and the policy's fan-out do, nobody knows it beforehand: what
//!    repeats it is pointed out.

mod connections;
mod files;
mod place;
mod search;
mod servers;

pub(super) use connections::connections;
use place::Likeness;

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What new passwords are derived from: at least 16 random characters, kept in the clone, so that a second run derives the
/// same. Prints nothing of itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Seed(String);

impl Seed {
    /// From random text.
    pub fn new(text: String) -> Self {
        Seed(text)
    }

    /// The text, to keep it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// 24 letters and digits for `place`: about 142 bits.
    fn password(&self, place: &str) -> String {
        const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let digest = Sha256::digest(format!("{}\0{place}", self.0));
        // Three bytes spread over 62 letters leave no bias that matters.
        let letter = |at: usize| {
            let number = u32::from(digest[at]) << 16
                | u32::from(digest[(at + 7) % 32]) << 8
                | u32::from(digest[(at + 17) % 32]);
            char::from(LETTERS[(number % 62) as usize])
        };
        (0..24).map(letter).collect()
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

/// The environment's own passwords, and what takes their place. Prints nothing of itself.
#[derive(Default)]
pub(super) struct Credentials {
    /// By the golden's password.
    passwords: BTreeMap<String, Password>,
    /// What stands beside a password and is no secret: users, hosts, ports, names of databases.
    identity: BTreeSet<String>,
    /// Where servers take their passwords from, as `Kind/name/key`.
    sources: BTreeSet<String>,
}

/// What becomes of one password.
struct Password {
    /// `None` where it stays, as it opens something else, too.
    new: Option<String>,
    likeness: Likeness,
    /// Why places that repeat it may not agree with the server.
    doubt: Option<String>,
}

/// What renewing one text came to.
#[derive(Default)]
pub(super) struct Renewal {
    /// The text with new passwords, where there was any.
    pub(super) text: Option<String>,
    /// What somebody should look at; completes "the place …".
    pub(super) warnings: BTreeSet<String>,
}

/// Fields whose strings are names of something.
const NAMES: &[&str] = &["binaryData", "image", "labels", "matchLabels", "name", "selector"];

impl Credentials {
    /// Whether the golden has any of its own.
    pub(super) fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }

    /// `text` with every password of the environment replaced. It stands at `place`: a key, a name of a variable or an
    /// option, or `Kind/name/key`.
    pub(super) fn renew(&self, place: &str, text: &str) -> Renewal {
        let mut renewal = Renewal::default();
        let is_source = self.sources.contains(place);
        let name = place.rsplit('/').next().unwrap_or_default();
        let mut spans = Vec::new();
        for (old, password) in &self.passwords {
            let found = place::find(text, old, password.likeness, name, is_source);
            if !found.spans.is_empty() {
                renewal.warnings.extend(password.doubt.clone());
            }
            if found.is_doubtful && password.new.is_some() {
                renewal.warnings.insert(
                    "holds a word that is a password of the environment's own too, and was left as it is; if it is meant as that password, take it from a variable".to_owned(),
                );
            }
            let new = password.new.iter();
            spans.extend(new.flat_map(|new| {
                let spans = found.spans.iter();
                spans.map(|(span, spelling)| (span.clone(), spelling.of(new)))
            }));
        }
        if spans.is_empty() {
            return renewal;
        }
        // One may lie inside another.
        spans.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let (mut out, mut done) = (String::with_capacity(text.len()), 0);
        for (span, new) in spans {
            if span.start >= done {
                out.push_str(&text[done..span.start]);
                out.push_str(&new);
                done = span.end;
            }
        }
        out.push_str(&text[done..]);
        renewal.text = Some(out);
        renewal
    }

    /// Whether `value` only says who connects where.
    pub(super) fn is_identity(&self, value: &str) -> bool {
        self.identity.contains(value.trim())
    }

    /// Renews every string of the object `id`; whether there was any, and what somebody should look at.
    pub(super) fn walk(&self, id: &str, data: &mut Value) -> (bool, Vec<String>) {
        let mut walk = Walk {
            credentials: self,
            id,
            any: false,
            warnings: Vec::new(),
        };
        if !self.is_empty() {
            walk.value(data, "", "");
        }
        (walk.any, walk.warnings)
    }
}

struct Walk<'c> {
    credentials: &'c Credentials,
    id: &'c str,
    any: bool,
    warnings: Vec<String>,
}

impl Walk<'_> {
    /// `name` is what a string that stands here is called: its key, the variable's name, the option before it.
    fn value(&mut self, value: &mut Value, path: &str, name: &str) {
        match value {
            Value::String(text) => {
                let renewal = self.credentials.renew(name, text);
                let id = self.id;
                let warnings = renewal.warnings.into_iter();
                self.warnings
                    .extend(warnings.map(|why| format!("{id}: {path} {why}")));
                if let Some(new) = renewal.text {
                    *text = new;
                    self.any = true;
                }
            }
            Value::Array(items) => {
                let mut option = String::new();
                for (index, item) in items.iter_mut().enumerate() {
                    let text = item.as_str().unwrap_or_default();
                    let next = if text.starts_with('-') {
                        text.to_owned()
                    } else {
                        String::new()
                    };
                    let name = if option.is_empty() { name } else { &option };
                    self.value(item, &format!("{path}[{index}]"), name);
                    option = next;
                }
            }
            Value::Object(fields) => {
                let variable = fields
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                for (key, inner) in fields {
                    let name = match (key.as_str(), path) {
                        // The keys of a ConfigMap are anybody's.
                        (_, "data") => format!("{}/{key}", self.id),
                        (named, _) if NAMES.contains(&named) => continue,
                        ("value", _) => variable.clone(),
                        (key, _) => key.to_owned(),
                    };
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    self.value(inner, &path, &name);
                }
            }
            _ => {}
        }
    }
}
