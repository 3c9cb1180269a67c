//! Passwords for servers outside of the clone, in clear: what is copied with one is pointed out, place by place.
//!
//! A connection says so by itself. A host and a password belong together where their names begin alike in one block of a
//! file, in one ConfigMap or in one container: `mail.host` and `mail.password`. Golden databases have laws of their own. What
//! the policy lists for copying its author has judged, and what somebody gives or sets for this clone, too.

mod block;

use super::credentials::connections;
use super::rewrite::Context;
use block::Entry;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is said about a server outside; completes "the place …".
pub(super) fn remedy(host: &str) -> String {
    format!(
        "was copied with a password for {host}, which is no part of the clone; set it to a server for previews with --set-env or in a Secret that is given, and list {host} under protected.hosts of the policy where no preview may reach it"
    )
}

/// Every place in `value`, which stands at `path` of the object `name`, that holds a password for a server outside, with that
/// server.
pub(super) fn passwords(
    (value, path): (&Value, &str),
    name: &str,
    context: &Context<'_>,
) -> BTreeMap<String, String> {
    let mut search = Search {
        workload: name,
        context,
        found: BTreeMap::new(),
    };
    search.value(value, path);
    search.found
}

struct Search<'s> {
    workload: &'s str,
    context: &'s Context<'s>,
    found: BTreeMap<String, String>,
}

impl Search<'_> {
    fn value(&mut self, value: &Value, path: &str) {
        match value {
            Value::String(text) => self.text(text, path),
            Value::Array(items) => {
                self.entries(items, path);
                for (index, item) in items.iter().enumerate() {
                    if !self.is_set(item) {
                        self.value(item, &format!("{path}[{index}]"));
                    }
                }
            }
            Value::Object(fields) => {
                let place = |key: &str| {
                    if path.is_empty() {
                        key.to_owned()
                    } else {
                        format!("{path}.{key}")
                    }
                };
                let has_password = fields.keys().any(|key| block::is_password(key));
                let texts = fields
                    .iter()
                    .filter(|_| has_password)
                    .filter_map(|(key, value)| Some((key, value.as_str()?)));
                let entries = texts.map(|(key, value)| Entry::new(key, value, 0, place(key)));
                self.pairs(&entries.collect::<Vec<_>>());
                for (key, inner) in fields {
                    self.value(inner, &place(key));
                }
            }
            _ => {}
        }
    }

    /// The variables of a container.
    fn entries(&mut self, items: &[Value], path: &str) {
        if !items
            .iter()
            .filter_map(|item| item["name"].as_str())
            .any(block::is_password)
        {
            return;
        }
        let entries = items.iter().enumerate().filter(|(_, item)| !self.is_set(item));
        let entries = entries.filter_map(|(index, item)| {
            let (name, value) = (item["name"].as_str()?, item["value"].as_str()?);
            Some(Entry::new(name, value, 0, format!("{path}[{index}].value")))
        });
        self.pairs(&entries.collect::<Vec<_>>());
    }

    /// Whether somebody set the variable `item` for this clone.
    fn is_set(&self, item: &Value) -> bool {
        let mut set = self.context.spec.variables.iter();
        set.any(|set| set.workload == self.workload && item["name"] == set.name && item["value"] == set.value)
    }

    fn text(&mut self, text: &str, path: &str) {
        let has_lines = text.trim_end().contains('\n');
        let line = |number: usize| {
            if has_lines {
                format!("{path}, line {number}")
            } else {
                path.to_owned()
            }
        };
        for url in connections(text) {
            if !block::is_stand_in(&url.password) && leaves(&url.host, self.context) {
                let number = text[..url.at].matches('\n').count() + 1;
                self.found.entry(line(number)).or_insert(url.host);
            }
        }
        let entries = block::entries(text);
        let entries = entries.into_iter().map(|entry| Entry {
            place: line(entry.line),
            ..entry
        });
        self.pairs(&entries.collect::<Vec<_>>());
    }

    fn pairs(&mut self, entries: &[Entry<'_>]) {
        for (place, hosts) in block::pairs(entries) {
            if let Some(host) = hosts
                .into_iter()
                .find(|host| is_spelt_out(host) && leaves(host, self.context))
            {
                self.found.entry(place).or_insert(host);
            }
        }
    }
}

/// Whether `host` can be nothing but a host.
fn is_spelt_out(host: &str) -> bool {
    let labels = host.trim_end_matches('.').split('.');
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    labels.clone().count() > 1 && labels.clone().all(is_label)
}

/// Whether a connection to `host` leaves the clone.
fn leaves(host: &str, context: &Context<'_>) -> bool {
    let is_any = host
        .parse()
        .is_ok_and(|address: std::net::IpAddr| address.is_unspecified() || address.is_loopback());
    if host.contains(['$', '{', '%'])
        || is_any
        || context.data.is_inside(host)
        || context.hosts.get(host).is_some()
    {
        return false;
    }
    match context.data.own_name(host) {
        // By a Service that leads elsewhere; where there is none, to nothing.
        Some(service) => context.data.has_service(&service),
        None => true,
    }
}
