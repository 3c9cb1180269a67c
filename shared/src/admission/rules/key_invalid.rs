//! `key-invalid`: a key of the contract holds something malformed.

use super::{Draft, Facts, Request, Rule, annotation, label, preview_namespace};
use crate::admission::grant;
use crate::keys;
use crate::names;
use crate::preview::Selection;
use crate::reason::Reason;
use crate::violation::Violation;
use jiff::Timestamp;

pub(super) const RULE: Rule = Rule {
    reason: Reason::KeyInvalid,
    applies: preview_namespace,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let mut invalid = |field: String, found: &str, allowed: &str| {
        // What was right when it was written must not block every later update of the namespace.
        if unchanged(request, &field) {
            return;
        }
        let found: String = found.chars().take(64).collect();
        draft.deny(Violation::new(
            Reason::KeyInvalid,
            field,
            format!("found {found:?}, {allowed}"),
        ));
    };
    if let Some(found) = request.label(keys::PREVIEW).filter(|found| *found != "true")
        && request.old_label(keys::PREVIEW) != Some("true")
    {
        invalid(label(keys::PREVIEW), found, "must be \"true\" or absent");
    }
    if let (Some(found), Err(error)) = (request.annotation(keys::TTL), grant::ttl(request)) {
        invalid(annotation(keys::TTL), found, &error.to_string());
    }
    if let Some(found) = request
        .annotation(keys::ON_EXPIRY)
        .filter(|found| *found != "destroy")
    {
        invalid(
            annotation(keys::ON_EXPIRY),
            found,
            "must be \"destroy\" in this version, or absent",
        );
    }
    for key in [keys::EXPIRES_AT, keys::REVIVE] {
        let found = request.annotation(key);
        if let Some(found) = found.filter(|found| found.parse::<Timestamp>().is_err()) {
            let allowed = "must be an RFC 3339 time such as 2026-01-31T18:00:00Z";
            invalid(annotation(key), found, allowed);
        }
    }
    if let Some(found) = request
        .annotation(keys::SLEEP)
        .filter(|found| !["asleep", "awake"].contains(found))
    {
        let allowed = "must be \"asleep\" or \"awake\", or absent";
        invalid(annotation(keys::SLEEP), found, allowed);
    }
    if let Some(found) = request
        .label(keys::PR)
        .filter(|found| found.parse::<u64>().map_or(true, |n| n == 0))
    {
        invalid(label(keys::PR), found, "must be the number of a pull request");
    }
    if let Some(found) = request
        .label(keys::PARENT)
        .filter(|found| !names::is_dns_label(found))
    {
        invalid(label(keys::PARENT), found, "must be the name of a namespace");
    }
    let databases = request
        .annotation(keys::DATABASES)
        .map(|found| (found, Selection::parse(found)));
    if let Some((found, Selection::Named(chosen))) = databases
        && let Some(policy) = facts.policies.get(grant::named_policy(request))
        && let Some(unknown) = chosen.iter().find(|name| policy.database(name).is_none())
    {
        let known: Vec<&str> = policy
            .databases
            .iter()
            .map(|database| database.name.as_str())
            .collect();
        let allowed = format!(
            "{unknown:?} is not a database of this policy; must be \"all\", \"none\" or some of [{}]",
            known.join(", ")
        );
        invalid(annotation(keys::DATABASES), found, &allowed);
    }
}

fn unchanged(request: &Request, field: &str) -> bool {
    let key = field
        .split_once('[')
        .map_or("", |(_, rest)| rest.trim_end_matches(']'));
    let map = if field.starts_with("metadata.labels") {
        "labels"
    } else {
        "annotations"
    };
    !request.is_create() && request.object["metadata"][map][key] == request.old_object["metadata"][map][key]
}
