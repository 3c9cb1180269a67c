//! A preview as its namespace records it: the only record there is.

use crate::keys;
use crate::lease::Lease;
use crate::phase::Phase;
use crate::policy::{self, Database, PreviewPolicySpec};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Which of the policy's databases a preview branches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// All of them.
    All,
    /// These; the others stay protected.
    Named(BTreeSet<String>),
}

impl Selection {
    /// From the annotation `databases`.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "" | "all" => Selection::All,
            // The empty set spelt out: nothing is branched, everything stays protected.
            "none" => Selection::Named(BTreeSet::new()),
            names => Selection::Named(names.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }

    /// Whether `database` is branched.
    pub fn includes(&self, database: &str) -> bool {
        match self {
            Selection::All => true,
            Selection::Named(names) => names.contains(database),
        }
    }
}

/// State of a branch, as the controller writes it to `understudy.dev/database.NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BranchState {
    /// Its connection works.
    Ready,
    /// Being made, or waiting for something that is said here.
    Pending(String),
    /// It cannot be made until somebody mends what is said here.
    Failed(String),
}

impl BranchState {
    /// From the annotation's value; unknown words count as pending, never as ready.
    pub fn parse(text: &str) -> Self {
        match text.split_once(": ") {
            None if text == "ready" => BranchState::Ready,
            Some(("failed", why)) => BranchState::Failed(why.to_owned()),
            Some(("pending", why)) => BranchState::Pending(why.to_owned()),
            _ => BranchState::Pending(text.to_owned()),
        }
    }
}

impl fmt::Display for BranchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BranchState::Ready => f.write_str("ready"),
            BranchState::Pending(why) => write!(f, "pending: {why}"),
            BranchState::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// A namespace that carries our label, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// The namespace's name.
    pub name: String,
    /// The namespace's uid; empty while it is being created.
    pub uid: String,
    /// Name of its policy.
    pub policy: String,
    /// The golden it was made of.
    pub parent: Option<String>,
    /// The authenticated user who made it.
    pub creator: Option<String>,
    /// The human who answers for it.
    pub owner: Option<String>,
    /// When the namespace became a preview; `None` while it is being created.
    pub created: Option<Timestamp>,
    /// When it took the label, or its policy began to enforce; `None` where it was born as a preview.
    pub adopted_at: Option<Timestamp>,
    /// Whether it existed before it became a preview: its end is then nobody's but a person's.
    pub adopted: bool,
    /// Whether its policy only observed when it was looked at last.
    pub observed: bool,
    /// Whether it is to be destroyed when its lease is over.
    pub destroyed_at_end: bool,
    /// Its lease as written; `None` where `expires-at` is missing or unreadable.
    pub lease: Option<Lease>,
    /// Which databases it branches.
    pub databases: Selection,
    /// Hash of the guardrails sealed last.
    pub sealed: Option<String>,
    /// State of each branch.
    pub branches: BTreeMap<String, BranchState>,
    /// The phase its label says.
    pub phase: Option<Phase>,
    /// Whether the namespace is being deleted.
    pub deleting: bool,
}

impl Preview {
    /// The preview that `metadata` describes; `None` when it does not carry our label.
    pub fn of(metadata: &ObjectMeta) -> Option<Preview> {
        let empty = BTreeMap::new();
        let labels = metadata.labels.as_ref().unwrap_or(&empty);
        let annotations = metadata.annotations.as_ref().unwrap_or(&empty);
        if labels.get(keys::PREVIEW).map(String::as_str) != Some("true") {
            return None;
        }
        let adopted = labels.get(keys::ORIGIN).is_some_and(|origin| origin == "adopted");
        let adopted_at = annotations.get(keys::ADOPTED_AT).and_then(|at| at.parse().ok());
        let born = metadata.creation_timestamp.as_ref().map(|time| time.0);
        let created = adopted_at.or(born);
        let destroy = annotations
            .get(keys::ON_EXPIRY)
            .is_some_and(|what| what == "destroy");
        let expires_at = annotations
            .get(keys::EXPIRES_AT)
            .and_then(|at| at.parse::<Timestamp>().ok());
        let branches = annotations.iter().filter_map(|(key, value)| {
            Some((
                key.strip_prefix(keys::DATABASE_PREFIX)?.to_owned(),
                BranchState::parse(value),
            ))
        });
        Some(Preview {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            policy: policy::policy_name(labels).to_owned(),
            parent: labels.get(keys::PARENT).cloned(),
            creator: annotations.get(keys::CREATOR).cloned(),
            owner: annotations.get(keys::OWNER).cloned(),
            created,
            adopted_at,
            adopted,
            observed: labels.contains_key(keys::ENFORCEMENT),
            destroyed_at_end: destroy || !adopted,
            lease: created
                .zip(expires_at)
                .map(|(created, expires_at)| Lease { created, expires_at }),
            databases: Selection::parse(annotations.get(keys::DATABASES).map_or("", String::as_str)),
            sealed: annotations.get(keys::GUARDRAILS).cloned(),
            branches: branches.collect(),
            phase: labels.get(keys::PHASE).and_then(|phase| phase.parse().ok()),
            deleting: metadata.deletion_timestamp.is_some(),
        })
    }

    /// For how long it has been a preview at `now`; none while it is being created.
    pub fn age(&self, now: Timestamp) -> Duration {
        let age = self.created.map(|created| now.duration_since(created));
        age.and_then(|age| age.try_into().ok()).unwrap_or_default()
    }

    /// The lease that counts: as written, never past the policy's maximum, else the policy's default, so that no preview
    /// is without an end.
    pub fn lease_under(&self, policy: Option<&PreviewPolicySpec>) -> Option<Lease> {
        let created = self.created?;
        let limits = policy.map(|policy| policy.lifetime.clone());
        let expires_at = match (self.lease, &limits) {
            (Some(lease), Some(limits)) => lease.expires_at.min(limits.max.after(created)),
            (Some(lease), None) => lease.expires_at,
            (None, limits) => limits.clone().unwrap_or_default().default.after(created),
        };
        Some(Lease { created, expires_at })
    }

    /// The databases of `policy` that this preview branches.
    pub fn branched<'p>(&self, policy: &'p PreviewPolicySpec) -> Cow<'p, [Database]> {
        let chosen = |database: &&Database| self.databases.includes(&database.name);
        match self.databases {
            Selection::All => Cow::Borrowed(&policy.databases),
            Selection::Named(_) => policy.databases.iter().filter(chosen).cloned().collect(),
        }
    }

    /// The databases of `policy` whose branch is not ready yet.
    pub fn unready(&self, policy: &PreviewPolicySpec) -> Vec<String> {
        let ready = |name: &String| self.branches.get(name) == Some(&BranchState::Ready);
        let branched = self.branched(policy);
        let names = branched.iter().map(|database| &database.name);
        names.filter(|name| !ready(name)).cloned().collect()
    }
}

/// Whether this namespace is a golden.
pub fn is_golden(labels: Option<&BTreeMap<String, String>>) -> bool {
    labels
        .and_then(|labels| labels.get(keys::GOLDEN))
        .is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_label_makes_a_preview() {
        let mut metadata = ObjectMeta::default();
        assert_eq!(Preview::of(&metadata), None);
        metadata.labels = Some([(keys::PREVIEW.to_owned(), "yes".to_owned())].into());
        assert_eq!(Preview::of(&metadata), None);
        metadata.labels = Some([(keys::PREVIEW.to_owned(), "true".to_owned())].into());
        assert_eq!(Preview::of(&metadata).unwrap().policy, "default");
    }

    #[test]
    fn no_preview_is_without_an_end() {
        let metadata: ObjectMeta = serde_json::from_value(serde_json::json!({
            "labels": { keys::PREVIEW: "true" }, "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": { keys::EXPIRES_AT: "never" }
        }))
        .unwrap();
        let lease = Preview::of(&metadata).unwrap().lease_under(None).unwrap();
        assert_eq!(lease.expires_at, "2026-01-02T00:00:00Z".parse().unwrap());
        let mut forged = metadata;
        forged.annotations = Some([(keys::EXPIRES_AT.to_owned(), "2099-01-01T00:00:00Z".to_owned())].into());
        let lease = Preview::of(&forged)
            .unwrap()
            .lease_under(Some(&PreviewPolicySpec::default()))
            .unwrap();
        assert_eq!(lease.expires_at, "2026-01-08T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_branch_is_ready_only_when_it_says_exactly_that() {
        for state in [
            BranchState::Ready,
            BranchState::Pending("x".into()),
            BranchState::Failed("y: z".into()),
        ] {
            assert_eq!(BranchState::parse(&state.to_string()), state);
        }
        assert_ne!(BranchState::parse("ready: not"), BranchState::Ready);
        assert_ne!(BranchState::parse(""), BranchState::Ready);
    }
}
