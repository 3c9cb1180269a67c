//! Passwords inside the environment: a data server that is part of the golden gets a new one in the clone, and every place
//! that repeats it says the same.
//!
//! A password counts as the environment's own where a data server of the golden takes it from its variables or arguments, or
//! where a connection to one of the golden's Services carries it. Whatever else looks like one stays what it is: somebody
//! else's secret.

mod place;
mod servers;

use super::golden::{GoldenData, meant};
use super::snapshot::{Snapshot, kind_of, name_of};
use super::templates::{containers, templates};
use crate::environment::{self, Origin, Variable};
use crate::policy::Database;
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
    /// Old password → new one.
    new: BTreeMap<String, String>,
    /// What stands beside a password and is no secret: users, hosts, ports, names of databases.
    identity: BTreeSet<String>,
}

impl Credentials {
    /// Finds the passwords of the golden's own data servers.
    pub(super) fn find(snapshot: &Snapshot, data: &GoldenData, databases: &[Database], seed: &Seed) -> Self {
        let mut found = Found::default();
        for (object, template) in templates(snapshot) {
            let by = format!("{}/{}", kind_of(object), name_of(object));
            for container in containers(template) {
                let environment = environment::resolve(template, container, data);
                let variables: Vec<&Variable> = environment.effective().collect();
                found.server(container, &variables, &by);
                for variable in &variables {
                    let place = origin(variable, &by);
                    found.connection(
                        variable.value.as_deref().unwrap_or_default(),
                        data,
                        databases,
                        &place,
                    );
                }
            }
        }
        for map in snapshot.of("ConfigMap") {
            for (key, value) in map.data["data"].as_object().into_iter().flatten() {
                let place = format!("ConfigMap/{}/{key}", name_of(map));
                found.connection(value.as_str().unwrap_or_default(), data, databases, &place);
            }
        }
        for secret in snapshot.of("Secret") {
            for (key, value) in data.secret(name_of(secret)).into_iter().flatten() {
                let place = format!("Secret/{}/{key}", name_of(secret));
                found.connection(value, data, databases, &place);
            }
        }
        found.credentials(seed)
    }

    /// Whether the golden has any of its own.
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty()
    }

    /// `text` with every password of the environment replaced, where there is one.
    pub(super) fn renew(&self, text: &str) -> Option<String> {
        let mut renewed: Option<String> = None;
        for (old, new) in &self.new {
            if let Some(text) = place::replace(renewed.as_deref().unwrap_or(text), old, new) {
                renewed = Some(text);
            }
        }
        renewed
    }

    /// Whether `value` only says who connects where.
    pub(super) fn is_identity(&self, value: &str) -> bool {
        self.identity.contains(value.trim())
    }

    /// Renews every string below `value`; whether there was any.
    pub(super) fn walk(&self, value: &mut Value) -> bool {
        if self.is_empty() {
            return false;
        }
        match value {
            Value::String(text) => match self.renew(text) {
                Some(new) => {
                    *text = new;
                    true
                }
                None => false,
            },
            Value::Array(items) => items.iter_mut().fold(false, |any, item| self.walk(item) | any),
            Value::Object(fields) => fields.values_mut().fold(false, |any, item| self.walk(item) | any),
            _ => false,
        }
    }
}

/// Where a password was seen first decides what the new one is, so that a changed password changes nothing in the clone.
#[derive(Default)]
struct Found {
    passwords: BTreeMap<String, String>,
    elsewhere: BTreeSet<String>,
    identity: BTreeSet<String>,
}

impl Found {
    fn keep(&mut self, password: &str, place: &str) {
        // Anything shorter stands in too many texts by accident.
        if password.len() < 4 || password.contains("$(") {
            return;
        }
        let known = self
            .passwords
            .entry(password.to_owned())
            .or_insert_with(|| place.to_owned());
        if place < known.as_str() {
            place.clone_into(known);
        }
    }

    fn server(&mut self, container: &Value, variables: &[&Variable], by: &str) {
        let image = container["image"].as_str().unwrap_or_default();
        for variable in variables {
            let value = variable.value.as_deref().unwrap_or_default();
            if servers::is_password(image, &variable.name) {
                self.keep(value, &origin(variable, by));
            } else if servers::is_identity(image, &variable.name) {
                self.identity.insert(value.to_owned());
            }
        }
        let words = ["command", "args"]
            .into_iter()
            .filter_map(|part| container[part].as_array());
        let words: Vec<&str> = words.flatten().filter_map(Value::as_str).collect();
        if let Some(password) = servers::password_argument(image, &words) {
            self.keep(
                password,
                &format!("{by} {}", container["name"].as_str().unwrap_or_default()),
            );
        }
    }

    fn connection(&mut self, text: &str, data: &GoldenData, databases: &[Database], at: &str) {
        for url in place::connections(text) {
            if data.is_inside(&url.host) && meant(databases, url.text).is_none() {
                self.keep(&url.password, at);
                self.identity.extend(
                    [url.user, url.host, url.port, url.path]
                        .into_iter()
                        .filter(|part| !part.is_empty()),
                );
            } else {
                self.elsewhere.insert(url.password);
            }
        }
    }

    /// A password that also opens something else is not the environment's own.
    fn credentials(self, seed: &Seed) -> Credentials {
        let own = self
            .passwords
            .into_iter()
            .filter(|(old, _)| !self.elsewhere.contains(old));
        Credentials {
            new: own.map(|(old, place)| (old, seed.password(&place))).collect(),
            identity: self.identity,
        }
    }
}

fn origin(variable: &Variable, by: &str) -> String {
    match &variable.origin {
        Origin::Key(reference, key) => format!("{}/{}/{key}", reference.kind.name(), reference.name),
        _ => format!("{by} {}", variable.name),
    }
}
