//! Which objects of the golden are part of the clone on request: `--only`, `--exclude`, `--selector`.

use super::snapshot::{group_of, kind_of, name_of};
use kube::core::DynamicObject;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Some objects: `KIND`, `KIND.group`, `KIND/NAME` (the name may end in `*`), or a label, `KEY=VALUE` or `KEY`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Pattern {
    /// Every object of a kind, or one of them.
    Kind {
        /// The kind in any case, singular or plural, with its group where one is written.
        kind: String,
        /// The name, or what it begins with where it ends in `*`.
        name: Option<String>,
    },
    /// Every object with a label.
    Label {
        /// The label's key.
        key: String,
        /// Its value; `None` for any.
        value: Option<String>,
    },
}

/// Why a text is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be KIND, KIND/NAME or LABEL=VALUE, such as ServiceMonitor, Ingress/web or tier=tools")]
pub struct InvalidPattern;

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be KEY=VALUE or KEY, separated by commas")]
pub struct InvalidSelector;

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if let Some((key, value)) = text.split_once('=') {
            let ok = is_label_key(key) && is_label_value(value);
            return ok
                .then(|| Pattern::Label {
                    key: key.to_owned(),
                    value: Some(value.to_owned()),
                })
                .ok_or(InvalidPattern);
        }
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (text, None),
        };
        let kind_ok = kind.starts_with(|c: char| c.is_ascii_alphabetic())
            && kind
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        let name_ok = |name: &str| !name.is_empty() && !name.contains('/') && name.len() <= 253;
        (kind_ok && name.is_none_or(name_ok))
            .then(|| Pattern::Kind {
                kind: kind.to_owned(),
                name: name.map(str::to_owned),
            })
            .ok_or(InvalidPattern)
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Kind { kind, name: None } => f.write_str(kind),
            Pattern::Kind {
                kind,
                name: Some(name),
            } => write!(f, "{kind}/{name}"),
            Pattern::Label { key, value: None } => f.write_str(key),
            Pattern::Label {
                key,
                value: Some(value),
            } => write!(f, "{key}={value}"),
        }
    }
}

impl Pattern {
    /// Whether `object` is one of those meant.
    pub fn matches(&self, object: &DynamicObject) -> bool {
        match self {
            Pattern::Kind { kind, name } => {
                let wanted = match name.as_deref() {
                    None => true,
                    Some(name) => match name.strip_suffix('*') {
                        Some(beginning) => name_of(object).starts_with(beginning),
                        None => name_of(object) == name,
                    },
                };
                wanted && names_kind(kind, group_of(object), kind_of(object))
            }
            Pattern::Label { key, value } => {
                let labels = object.metadata.labels.as_ref();
                labels
                    .and_then(|labels| labels.get(key))
                    .is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            }
        }
    }
}

/// Whether `text` means `kind` of `group`, as `kubectl` would read it: in any case, singular or plural, with or without group.
fn names_kind(text: &str, group: &str, kind: &str) -> bool {
    let (text, wanted_group) = match text.split_once('.') {
        Some((text, group)) => (text, Some(group)),
        None => (text, None),
    };
    let (text, kind) = (text.to_ascii_lowercase(), kind.to_ascii_lowercase());
    wanted_group.is_none_or(|wanted| wanted == group) && (text == kind || text == plural(&kind))
}

/// The plural that a kind's resource has by convention, in lower case.
pub(super) fn plural(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    let vowel_before = |text: &str| text.ends_with(['a', 'e', 'i', 'o', 'u']);
    match lower.strip_suffix('y') {
        Some(stem) if !vowel_before(stem) => format!("{stem}ies"),
        _ if lower.ends_with(['s', 'x']) || lower.ends_with("ch") || lower.ends_with("sh") => {
            format!("{lower}es")
        }
        _ => format!("{lower}s"),
    }
}

/// What is part of the clone on request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Nothing else is; empty for everything.
    pub only: Vec<Pattern>,
    /// Labels that an object must have, all of them.
    pub selector: Vec<Pattern>,
    /// What is not.
    pub exclude: Vec<Pattern>,
}

impl Selection {
    /// Why `object` is not part of the clone, if it is not.
    pub(super) fn leaves_out(&self, object: &DynamicObject) -> Option<String> {
        if let Some(pattern) = self.exclude.iter().find(|pattern| pattern.matches(object)) {
            return Some(format!("left out by --exclude {pattern}"));
        }
        if !self.only.is_empty() && !self.only.iter().any(|pattern| pattern.matches(object)) {
            return Some("not among what --only names".to_owned());
        }
        let missing = self.selector.iter().find(|pattern| !pattern.matches(object))?;
        Some(format!("it does not carry the label {missing} of --selector"))
    }
}

/// Reads a selector of labels: `app=web,tier`.
pub fn selector(text: &str) -> Result<Vec<Pattern>, InvalidSelector> {
    let label = |part: &str| {
        let (key, value) = match part.split_once('=') {
            // `==` is a spelling of `=`.
            Some((key, value)) => (key, Some(value.trim_start_matches('='))),
            None => (part, None),
        };
        (is_label_key(key) && value.is_none_or(is_label_value))
            .then(|| Pattern::Label {
                key: key.to_owned(),
                value: value.map(str::to_owned),
            })
            .ok_or(InvalidSelector)
    };
    text.split(',').map(|part| label(part.trim())).collect()
}

/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("x", key));
    let prefix_ok = !prefix.is_empty()
        && prefix.len() <= 253
        && prefix
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'));
    prefix_ok && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.is_empty()
        || (value.len() <= 63
            && value.starts_with(edge)
            && value.ends_with(edge)
            && value.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(api: &str, kind: &str, name: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": api, "kind": kind, "metadata": { "name": name, "labels": { "tier": "tools", "app.kubernetes.io/name": name } }
        }))
        .unwrap()
    }

    #[test]
    fn a_kind_is_named_as_kubectl_reads_it() {
        let ingress = object("networking.k8s.io/v1", "Ingress", "web");
        for text in [
            "Ingress",
            "ingress",
            "ingresses",
            "ingress.networking.k8s.io",
            "Ingress/web",
            "ingress/w*",
            "tier=tools",
        ] {
            assert!(text.parse::<Pattern>().unwrap().matches(&ingress), "{text}");
        }
        for text in [
            "ingres",
            "ingress.example.com",
            "Ingress/we",
            "Service/web",
            "tier=web",
        ] {
            assert!(!text.parse::<Pattern>().unwrap().matches(&ingress), "{text}");
        }
        let policy = object("networking.k8s.io/v1", "NetworkPolicy", "x");
        assert!("networkpolicies".parse::<Pattern>().unwrap().matches(&policy));
    }

    #[test]
    fn nonsense_is_no_pattern() {
        // F05
        for text in ["", "/", "a/b/c", "Ingress/", "=x", "a b", "-x"] {
            assert_eq!(text.parse::<Pattern>(), Err(InvalidPattern), "{text:?}");
        }
        for text in ["", "=", "a==-", "a,,b", "A/=x"] {
            assert_eq!(selector(text), Err(InvalidSelector), "{text:?}");
        }
    }

    #[test]
    fn what_is_left_out_says_by_what() {
        let web = object("apps/v1", "Deployment", "web");
        let left_out = |only: &[&str], labels: &str, exclude: &[&str]| {
            let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
            let selection = Selection {
                only: patterns(only),
                selector: if labels.is_empty() {
                    Vec::new()
                } else {
                    selector(labels).unwrap()
                },
                exclude: patterns(exclude),
            };
            selection.leaves_out(&web)
        };
        assert_eq!(left_out(&[], "", &[]), None);
        assert_eq!(
            left_out(&["deployment"], "tier=tools,app.kubernetes.io/name", &["job"]),
            None
        );
        assert_eq!(
            left_out(&[], "", &["Deployment/w*"]).unwrap(),
            "left out by --exclude Deployment/w*"
        );
        assert_eq!(
            left_out(&["job"], "", &[]).unwrap(),
            "not among what --only names"
        );
        assert!(left_out(&[], "tier==web", &[]).unwrap().contains("tier=web"));
    }
}
