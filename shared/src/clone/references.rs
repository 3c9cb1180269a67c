//! References to the golden inside strings and fields, turned into references to the clone.
//!
//! Certain are: `anything.golden.svc…`, `service.golden` and `pod.service.golden` where the golden has that Service, the
//! golden's own hosts, a field `namespace`, and `namespace=golden` in a text. What only looks like one is reported, and so is
//! what names a Service that is no part of the clone, also by its bare name, where only a host stands; and a golden host that
//! the clone has none in place of, or what stands below one.

use super::hosts::TextHosts;
use crate::host::Candidate;
use serde_json::Value;
use std::collections::BTreeSet;

/// Rewrites references to one golden.
#[derive(Clone, Debug, Default)]
pub(super) struct References {
    golden: String,
    clone: String,
    services: BTreeSet<String>,
    left_out: BTreeSet<String>,
    kept: BTreeSet<String>,
    shared: BTreeSet<String>,
    hosts: TextHosts,
}

/// What a walk found. A path ends with the line, where the text at it has several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Paths of strings that were rewritten.
    pub(super) rewritten: Vec<String>,
    /// Paths of what looks like a reference, with the text in question; left as it is.
    pub(super) doubtful: Vec<(String, String)>,
    /// Paths of references to Services that are no part of the clone, with the text in question.
    pub(super) dangling: Vec<(String, String)>,
    /// Paths of references to Services that are shared; left as they are.
    pub(super) shared: Vec<String>,
    /// What belongs to a host of the golden; left as it is.
    pub(super) outside: Vec<Outside>,
}

/// A host of the golden that the clone has none in place of, or what stands below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    pub(super) path: String,
    pub(super) name: String,
    /// The golden's host.
    pub(super) host: String,
}

impl Outside {
    /// What it is to the golden.
    pub(super) fn what(&self) -> String {
        if self.name.eq_ignore_ascii_case(&self.host) {
            "a golden host that no route of the clone takes the place of".to_owned()
        } else {
            format!(
                "which belongs to the golden host {} and was left as it is",
                self.host
            )
        }
    }
}

/// Fields whose strings never name a namespace or a Service.
/// A route stays attached to the Gateway that the golden's is attached to.
const OPAQUE: &[&str] = &["image", "binaryData", "caBundle", "parentRefs"];

impl References {
    pub(super) fn new(
        golden: &str,
        clone: &str,
        services: impl IntoIterator<Item = String>,
        hosts: TextHosts,
    ) -> Self {
        References {
            golden: golden.to_owned(),
            clone: clone.to_owned(),
            services: services.into_iter().collect(),
            left_out: BTreeSet::new(),
            kept: BTreeSet::new(),
            shared: BTreeSet::new(),
            hosts,
        }
    }

    /// The same, where the Services `left_out` are no part of the clone.
    pub(super) fn without(self, left_out: BTreeSet<String>) -> Self {
        References { left_out, ..self }
    }

    /// The same, where the Services `kept` keep their names.
    pub(super) fn keeping(self, kept: BTreeSet<String>) -> Self {
        References { kept, ..self }
    }

    /// The same, where the Services `shared` may be called under their own names; the Pods behind them may not.
    pub(super) fn sharing(self, shared: BTreeSet<String>) -> Self {
        References { shared, ..self }
    }

    /// Whether `part` names, in a spelling that is certain, a Service that is no part of the clone.
    fn dangles(&self, part: &Candidate<'_>) -> bool {
        self.names_one_of(&self.left_out, part.text) || (part.is_placed() && self.is_left_out(part.text))
    }

    /// Whether `name` alone is the name of a Service that is no part of the clone.
    fn is_left_out(&self, name: &str) -> bool {
        self.left_out.contains(crate::host::canonical(name).as_ref())
    }

    /// Whether `token` names one of `services` of the golden.
    fn names_one_of(&self, services: &BTreeSet<String>, token: &str) -> bool {
        if services.is_empty() {
            return false;
        }
        let canonical = crate::host::canonical(token);
        let mut labels = canonical.strip_suffix(".svc").unwrap_or(&canonical).rsplit('.');
        labels.next() == Some(&self.golden) && labels.next().is_some_and(|service| services.contains(service))
    }

    /// Whether `token` names a Service that is shared.
    fn shares(&self, token: &str) -> bool {
        if self.shared.is_empty() {
            return false;
        }
        let canonical = crate::host::canonical(token);
        let name = canonical
            .strip_suffix(".svc")
            .unwrap_or(&canonical)
            .split_once('.');
        name.is_some_and(|(service, namespace)| namespace == self.golden && self.shared.contains(service))
    }

    /// Rewrites every string below `value`; `path` is where it stands.
    pub(super) fn walk(&self, value: &mut Value, path: &str, found: &mut Found) {
        match value {
            Value::String(text) => self.place(text, path, found),
            Value::Array(items) => {
                let mut named = false;
                for (index, item) in items.iter_mut().enumerate() {
                    let path = match item
                        .get("name")
                        .and_then(Value::as_str)
                        .filter(|name| is_plain(name))
                    {
                        Some(name) => format!("{path}[{name}]"),
                        None => format!("{path}[{index}]"),
                    };
                    match &mut *item {
                        // `--namespace`, `golden` as two arguments.
                        Value::String(text) if named && *text == self.golden => {
                            text.clone_from(&self.clone);
                            found.rewritten.push(path);
                        }
                        _ => self.walk(item, &path, found),
                    }
                    named = item
                        .as_str()
                        .is_some_and(|text| text.starts_with('-') && says_namespace(text));
                }
            }
            Value::Object(fields) => {
                // An environment entry: the name tells what the value is.
                let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
                let (names_namespace, names_host) = (says_namespace(name), says_host(name));
                for (key, inner) in fields
                    .iter_mut()
                    .filter(|(key, _)| !OPAQUE.contains(&key.as_str()))
                {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    let named = says_namespace(key) || (key == "value" && names_namespace);
                    match inner {
                        Value::String(text) if named && *text == self.golden => {
                            text.clone_from(&self.clone);
                            found.rewritten.push(path);
                        }
                        Value::String(text)
                            if self.is_left_out(text)
                                && (says_host(key) || (key == "value" && names_host)) =>
                        {
                            found.dangling.push((path, text.clone()));
                        }
                        inner => self.walk(inner, &path, found),
                    }
                }
            }
            _ => {}
        }
    }

    /// Rewrites the text at `path`.
    pub(super) fn place(&self, text: &mut String, path: &str, found: &mut Found) {
        let place = |part: &str| place(path, text, part);
        let dangling = crate::host::candidates(text).filter(|part| self.dangles(part));
        let dangling = dangling.map(|part| (place(part.text), part.text.to_owned()));
        found.dangling.extend(dangling);
        let new = self.text(text, |part, token| match token {
            Token::Doubtful => found.doubtful.push((place(part), part.to_owned())),
            Token::Shared => found.shared.push(place(part)),
            Token::Outside(host) => found.outside.push(Outside {
                path: place(part),
                name: part.to_owned(),
                host: host.clone(),
            }),
            Token::Other | Token::Reference(_) => {}
        });
        if let Some(new) = new {
            *text = new;
            found.rewritten.push(path.to_owned());
        }
    }

    /// `text` with its references rewritten, where there are any; `see` is told what each part of it is.
    fn text(&self, text: &str, mut see: impl FnMut(&str, &Token)) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let (mut changed, mut rest, mut after_namespace) = (false, text, false);
        while !rest.is_empty() {
            let start = rest.find(is_host_char).unwrap_or(rest.len());
            let (between, tail) = rest.split_at(start);
            let end = tail.find(|c| !is_host_char(c)).unwrap_or(tail.len());
            let (part, after) = tail.split_at(end);
            out.push_str(between);
            let token = self.token(part, after_namespace && assigns(between));
            see(part, &token);
            if let Token::Reference(new) = token {
                out.push_str(&new);
                changed = true;
            } else {
                out.push_str(part);
            }
            after_namespace = says_namespace(part);
            rest = after;
        }
        changed.then_some(out)
    }

    fn token(&self, token: &str, assigned: bool) -> Token {
        let bare = token.trim_end_matches('.');
        let dots = &token[bare.len()..];
        let lower = bare.to_ascii_lowercase();
        if assigned && bare == self.golden {
            return Token::Reference(format!("{}{dots}", self.clone));
        }
        if self.names_one_of(&self.kept, bare) {
            return Token::Other;
        }
        if self.shares(bare) {
            return Token::Shared;
        }
        if let Some(host) = self.hosts.becomes.get(&lower) {
            return Token::Reference(format!("{host}{dots}"));
        }
        let labels: Vec<&str> = bare.split('.').collect();
        let is_golden = |label: &str| label.eq_ignore_ascii_case(&self.golden);
        let is_service = |label: &str| self.services.contains(&label.to_ascii_lowercase());
        let replaced = |at: usize| {
            let mut labels = labels.clone();
            labels[at] = &self.clone;
            Token::Reference(format!("{}{dots}", labels.join(".")))
        };
        let svc =
            (2..labels.len()).find(|at| labels[*at].eq_ignore_ascii_case("svc") && is_golden(labels[at - 1]));
        if let Some(at) = svc {
            return replaced(at - 1);
        }
        if let Some(host) = self.hosts.golden.above(&lower) {
            return Token::Outside(host);
        }
        match labels.as_slice() {
            [service, namespace] if is_golden(namespace) && is_service(service) => replaced(1),
            [_, service, namespace] if is_golden(namespace) && is_service(service) => replaced(2),
            [_, namespace] if is_golden(namespace) => Token::Doubtful,
            _ => Token::Other,
        }
    }
}

enum Token {
    Other,
    Reference(String),
    Doubtful,
    Shared,
    /// It belongs to this host of the golden.
    Outside(String),
}

/// Where `part` of `text` stands.
fn place(path: &str, text: &str, part: &str) -> String {
    if !text.trim_end().contains('\n') {
        return path.to_owned();
    }
    let before = &text[..part.as_ptr() as usize - text.as_ptr() as usize];
    format!("{path}, line {}", before.matches('\n').count() + 1)
}

/// Whether a name can stand in a path in place of an index.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= 253 && name.chars().all(is_host_char)
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

fn says_namespace(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.ends_with("namespace") || lower.ends_with("namespaces")
}

/// Whether what stands under such a name is a host.
fn says_host(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["host", "hostname", "server", "address", "addr"]
        .iter()
        .any(|end| lower.ends_with(end))
}

/// Whether what stands between two tokens assigns the second to the first: `=`, `: `, `":"`.
fn assigns(between: &str) -> bool {
    between.contains(['=', ':']) && between.chars().all(|c| matches!(c, '=' | ':' | ' ' | '"' | '\''))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn references() -> References {
        References::new(
            "shop",
            "shop-pr-7",
            ["web", "redis"].map(str::to_owned),
            TextHosts {
                becomes: [(
                    "shop.example.com".to_owned(),
                    "shop-pr-7.preview.example.com".to_owned(),
                )]
                .into(),
                ..TextHosts::default()
            },
        )
    }

    fn rewritten(text: &str) -> String {
        references()
            .text(text, |_, _| {})
            .unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn every_spelling_of_the_golden_becomes_the_clone() {
        for (text, expected) in [
            ("http://web.shop:80/x", "http://web.shop-pr-7:80/x"),
            ("web.shop.svc", "web.shop-pr-7.svc"),
            ("a.shop.svc.cluster.local.", "a.shop-pr-7.svc.cluster.local."),
            ("redis-0.redis.shop", "redis-0.redis.shop-pr-7"),
            (
                "redis-0.redis.shop.svc,web.shop",
                "redis-0.redis.shop-pr-7.svc,web.shop-pr-7",
            ),
            (
                "https://shop.example.com/a",
                "https://shop-pr-7.preview.example.com/a",
            ),
            ("--namespace=shop", "--namespace=shop-pr-7"),
            ("pod-namespace: shop\n", "pod-namespace: shop-pr-7\n"),
            (
                "redis://:p@redis.shop:6379/0",
                "redis://:p@redis.shop-pr-7:6379/0",
            ),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }

    #[test]
    fn look_alikes_stay() {
        // A17
        for text in [
            "webx.shopping.svc",
            "web.shop.example.com",
            "logging.level.com.shop",
            "myshop.example.com",
            "shop",
            "PGDATABASE=shop",
            "postgres://shop:shop@db/shop",
        ] {
            assert_eq!(rewritten(text), text);
        }
    }

    #[test]
    fn what_only_looks_like_a_reference_is_reported() {
        let (mut text, mut found) = ("// generated\npackage com.shop\n".to_owned(), Found::default());
        references().place(&mut text, "data.Shop.java", &mut found);
        let expected = Found {
            doubtful: vec![("data.Shop.java, line 2".to_owned(), "com.shop".to_owned())],
            ..Found::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_bare_name_of_what_is_left_out_dangles_where_only_a_host_stands() {
        let references = references().without(["payments".to_owned()].into());
        let dangling = |value: Value| {
            let (mut value, mut found) = (value, Found::default());
            references.walk(&mut value, "", &mut found);
            let paths = found.dangling.into_iter().map(|(path, _)| path);
            paths.collect::<Vec<_>>().join(" ")
        };
        for text in [
            "http://payments:8080/x",
            "payments:8080",
            "amqp://u:p@Payments",
            "a,http://payments.shop/",
        ] {
            assert_eq!(dangling(json!({ "args": [text] })), "args[0]", "{text}");
        }
        for text in [
            "payments",
            "enable payments: yes",
            "http://web/payments",
            "http://payments.example.com/",
        ] {
            assert_eq!(dangling(json!({ "args": [text] })), "", "{text}");
        }
        assert_eq!(
            dangling(
                json!({ "env": [{ "name": "PAYMENTS_HOST", "value": "payments" }, { "name": "MODE", "value": "payments" }],
                "data": { "redis.host": "payments" } })
            ),
            "data.redis.host env[PAYMENTS_HOST].value"
        );
    }

    #[test]
    fn fields_and_arguments_that_say_namespace_are_rewritten() {
        let mut value = json!({
            "subjects": [{ "kind": "ServiceAccount", "name": "shop", "namespace": "shop" }],
            "env": [{ "name": "POD_NAMESPACE", "value": "shop" }, { "name": "DB", "value": "shop" }],
            "args": ["--leader-namespace", "shop", "shop"],
            "image": "web.shop.svc/x",
        });
        let mut found = Found::default();
        references().walk(&mut value, "", &mut found);
        assert_eq!(
            value,
            json!({
                "subjects": [{ "kind": "ServiceAccount", "name": "shop", "namespace": "shop-pr-7" }],
                "env": [{ "name": "POD_NAMESPACE", "value": "shop-pr-7" }, { "name": "DB", "value": "shop" }],
                "args": ["--leader-namespace", "shop-pr-7", "shop"],
                "image": "web.shop.svc/x",
            })
        );
        assert!(found.rewritten.contains(&"subjects[shop].namespace".to_owned()));
    }

    proptest! {
        #[test]
        fn rewriting_twice_is_rewriting_once(text in "[a-z .:/=-]{0,20}(web\\.shop|shop\\.example\\.com|x\\.shop\\.svc)?[a-z .:/=-]{0,20}") {
            let once = rewritten(&text);
            prop_assert_eq!(rewritten(&once), once);
        }
    }
}
