//! Secrets that somebody gives to a clone instead of copying the golden's: `--secret NAME=FILE`, `NAME=env:KEY,…` or, for one
//! key of it, `NAME/KEY=FILE`.

use super::snapshot::name_of;
use super::verdict::{Item, Verdict, Wave};
use crate::environment::Data;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Keys and values of one Secret. Prints no value of itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GivenSecret(BTreeMap<String, Vec<u8>>);

impl fmt::Debug for GivenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a text holds no Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// A line assigns nothing. Its text may be a secret and is not repeated.
    #[error("line {0} is not KEY=VALUE")]
    Line(usize),
    /// A key cannot be one.
    #[error("line {0} begins with what is no key of a Secret: letters, digits, - _ .")]
    Key(usize),
    /// A name cannot be a key.
    #[error("names what is no key of a Secret: letters, digits, - _ .")]
    Name,
    /// There is nothing in it.
    #[error("holds no KEY=VALUE at all")]
    Empty,
}

impl GivenSecret {
    /// From keys and values.
    pub fn new(data: BTreeMap<String, Vec<u8>>) -> Self {
        GivenSecret(data)
    }

    /// From one key and its value.
    pub fn single(key: &str, value: Vec<u8>) -> Result<Self, InvalidSecret> {
        if !is_key(key) {
            return Err(InvalidSecret::Name);
        }
        Ok(GivenSecret([(key.to_owned(), value)].into()))
    }

    /// Adds the keys of `other`, which win.
    pub fn extend(&mut self, other: GivenSecret) {
        self.0.extend(other.0);
    }

    /// From a file of lines `KEY=VALUE`, as `kubectl create secret generic --from-env-file` reads it: blank lines and
    /// comments are left out, blanks before a key too, and a value is taken as it is.
    /// Source: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_create/kubectl_create_secret_generic/>.
    pub fn from_env_file(text: &str) -> Result<Self, InvalidSecret> {
        let mut data = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start_matches(['\u{feff}', ' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once('=').ok_or(InvalidSecret::Line(index + 1))?;
            if !is_key(key) {
                return Err(InvalidSecret::Key(index + 1));
            }
            data.insert(key.to_owned(), value.as_bytes().to_vec());
        }
        if data.is_empty() {
            return Err(InvalidSecret::Empty);
        }
        Ok(GivenSecret(data))
    }

    /// What of it is text.
    pub(super) fn texts(&self) -> Data {
        let text =
            |(key, value): (&String, &Vec<u8>)| Some((key.clone(), String::from_utf8(value.clone()).ok()?));
        self.0.iter().filter_map(text).collect()
    }

    /// The type that whoever reads such keys expects: the kubelet pulls by no other.
    /// Source: <https://kubernetes.io/docs/concepts/configuration/secret/#secret-types>.
    fn kind(&self) -> &'static str {
        let keys: Vec<&str> = self.0.keys().map(String::as_str).collect();
        match keys.as_slice() {
            [".dockerconfigjson"] => "kubernetes.io/dockerconfigjson",
            ["tls.crt", "tls.key"] => "kubernetes.io/tls",
            _ => "Opaque",
        }
    }

    /// The item of Secret `name`, of the golden's type where that is known.
    pub(super) fn item(&self, name: &str, clone: &str, golden: Option<&DynamicObject>) -> Item {
        let kind = golden
            .and_then(|object| object.data.get("type").and_then(Value::as_str))
            .unwrap_or_else(|| self.kind());
        let data: Map<String, Value> = self
            .0
            .iter()
            .map(|(key, value)| (key.clone(), Value::String(BASE64_STANDARD.encode(value))))
            .collect();
        let mut object = super::secrets::unread(name);
        object.metadata.namespace = Some(clone.to_owned());
        object.data = json!({ "type": kind, "data": data });
        debug_assert_eq!(name_of(&object), name);
        let keys: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let reason = format!("given with --secret: {}", keys.join(", "));
        let mut item = Item::unmade(&object, Verdict::ReCreate, reason);
        item.made = Some((Wave::Config, Box::new(object)));
        item
    }
}

/// Source: <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data>.
fn is_key(key: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let path = key == "." || key.starts_with("..");
    !key.is_empty() && !path && key.len() <= 253 && key.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_kubectl_reads_it() {
        let given = GivenSecret::from_env_file("# mine\n\n API_KEY=a=b c\nTOKEN=\n").unwrap();
        let item = given.item("shop-api", "shop-pr-7", None);
        let object = &item.made.unwrap().1;
        assert_eq!(
            object.data,
            json!({ "type": "Opaque", "data": { "API_KEY": "YT1iIGM=", "TOKEN": "" } })
        );
        assert_eq!(item.reason, "given with --secret: API_KEY, TOKEN");
    }

    #[test]
    fn a_secret_of_which_nothing_is_known_gets_the_type_that_its_keys_are_read_by() {
        let kind = |key: &str| {
            let given = GivenSecret::single(key, b"{}".to_vec()).unwrap();
            given.item("pull", "shop-pr-7", None).made.unwrap().1.data["type"].clone()
        };
        assert_eq!(kind(".dockerconfigjson"), "kubernetes.io/dockerconfigjson");
        assert_eq!(kind("key.json"), "Opaque");
        let golden = serde_json::from_value(
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "pull" }, "type": "example.com/x" }),
        )
        .unwrap();
        let given = GivenSecret::single(".dockerconfigjson", Vec::new()).unwrap();
        let item = given.item("pull", "shop-pr-7", Some(&golden));
        assert_eq!(item.made.unwrap().1.data["type"], "example.com/x");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        // F06
        for (text, expected) in [
            ("hunter2", InvalidSecret::Line(1)),
            ("a=b\nhunter2 x=y", InvalidSecret::Key(2)),
            ("# nothing\n", InvalidSecret::Empty),
        ] {
            let error = GivenSecret::from_env_file(text).unwrap_err();
            assert!(!error.to_string().contains("hunter2"));
            assert_eq!(error, expected);
        }
        let given = GivenSecret::from_env_file("KEY=hunter2").unwrap();
        assert!(!format!("{given:?}").contains("hunter2"));
    }
}
