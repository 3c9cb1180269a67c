//! What a Pod would reach on the server of a branch beside the branch: the golden may be on the same server.

use super::violation;
use crate::admission::facts::{BRANCH_HOST, BRANCH_NAME};
use crate::connection::Connection;
use crate::connection::split::{self, Part};
use crate::environment::{Origin, Variable};
use crate::keys;
use crate::violation::Violation;
use std::collections::BTreeSet;

/// By `variables` of container `name` that take the server from a branch, and the database or the role from elsewhere.
pub(super) fn beside(name: &str, place: &str, variables: &[&Variable]) -> Vec<Violation> {
    let of_a_branch = |variable: &&Variable| match &variable.origin {
        Origin::Key(from, _) => from.name.starts_with(keys::BRANCH_SECRET_PREFIX),
        _ => false,
    };
    // Most Pods have no branch, and this is asked of every one.
    if !variables.iter().any(of_a_branch) {
        return Vec::new();
    }
    let set = || {
        let all = variables.iter();
        all.filter_map(|variable| Some((variable.name.as_str(), variable.value.as_deref()?)))
    };
    let families: BTreeSet<String> = set()
        .filter(|(_, value)| value.contains(BRANCH_HOST))
        .flat_map(|(variable, _)| split::parts(variable))
        .filter_map(|(family, part)| (part == Part::Host).then_some(family))
        .collect();
    let is_part = |variable: &str| {
        // A few are quickly asked; of many the set is.
        (families.len() > 4 || families.iter().any(|family| split::begins(variable, family)))
            && split::parts(variable)
                .any(|(family, part)| families.contains(&family) && matches!(part, Part::Name | Part::User))
    };
    let is_other =
        |variable: &str, value: &str| !value.is_empty() && value != BRANCH_NAME && is_part(variable);
    let beside = set().filter(|(variable, value)| is_other(variable, value) || is_elsewhere(value));
    let refuse = |(variable, _): (&str, &str)| {
        let message = format!(
            "container {name}, variable {variable}: names another database or role on the server of a branch"
        );
        let remedy = "take all parts from the branch's Secret, or leave the connection to be rewritten";
        violation(format!("{place}.env[{variable}]"), message).remedy(remedy)
    };
    beside.map(refuse).collect()
}

/// Whether a connection in `text` leads to the server of a branch, and to another database there.
pub(super) fn is_elsewhere(text: &str) -> bool {
    if !text.contains(BRANCH_HOST) {
        return false;
    }
    // An argument may begin with its flag.
    let begin = ["jdbc:", "postgres", "postgis"]
        .iter()
        .filter_map(|scheme| text.find(scheme))
        .min();
    let url = &text[begin.unwrap_or(0)..];
    let url = &url[..url
        .find(|c: char| c.is_whitespace() || c == '"' || c == '\'')
        .unwrap_or(url.len())];
    [text.trim(), url]
        .into_iter()
        .filter_map(Connection::parse)
        .any(|connection| {
            let hosts = connection.hosts();
            hosts.iter().any(|host| host.name == BRANCH_HOST)
                && connection.databases().iter().any(|name| name != BRANCH_NAME)
        })
}
