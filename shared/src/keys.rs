//! Every label, annotation, gate and object name that Understudy reads or writes.
//!
//! The label is the contract (README, "The contract"): these strings are an API. They stand in one file so that
//! the webhook, the controllers, the command line and the ValidatingAdmissionPolicies cannot drift apart.

/// The API group, and the prefix of every key.
pub const GROUP: &str = "understudy.dev";

/// Label: this namespace is a preview when its value is `"true"`.
pub const PREVIEW: &str = "understudy.dev/preview";
/// Label: this namespace is an original that clones are made of when its value is `"true"`.
pub const GOLDEN: &str = "understudy.dev/golden";
/// Label: name of the `PreviewPolicy`; absent means `default`.
pub const POLICY: &str = "understudy.dev/policy";
/// Label: the golden namespace this preview was made of.
pub const PARENT: &str = "understudy.dev/parent";
/// Label: the pull request's number.
pub const PR: &str = "understudy.dev/pr";
/// Label: `created` or `adopted`; written by admission.
pub const ORIGIN: &str = "understudy.dev/origin";
/// Label: `warn` while the policy only observes; written by admission.
pub const ENFORCEMENT: &str = "understudy.dev/enforcement";
/// Label: see [`crate::phase::Phase`]; written by the controller.
pub const PHASE: &str = "understudy.dev/phase";
/// Label on guardrail objects; its value names the guardrail.
pub const GUARDRAIL: &str = "understudy.dev/guardrail";

/// Annotation: how long the preview may live, a [`crate::lifetime::Lifetime`].
pub const TTL: &str = "understudy.dev/ttl";
/// Annotation: what happens at the end. `destroy` is the only value so far.
pub const ON_EXPIRY: &str = "understudy.dev/on-expiry";
/// Annotation: RFC 3339 UTC; the end of the lease.
pub const EXPIRES_AT: &str = "understudy.dev/expires-at";
/// Annotation: RFC 3339 UTC; when an existing namespace took the label. Its lease counts from then on.
pub const ADOPTED_AT: &str = "understudy.dev/adopted-at";
/// Annotation: the authenticated user who made the namespace, human or service account.
pub const CREATOR: &str = "understudy.dev/creator";
/// Annotation: the human who answers for the preview; absent when nobody is known.
pub const OWNER: &str = "understudy.dev/owner";
/// Annotation: the repository, as the forge writes it.
pub const REPOSITORY: &str = "understudy.dev/repository";
/// Annotation: the branch in the repository, as the forge writes it.
pub const BRANCH: &str = "understudy.dev/branch";
/// Annotation: the commit, as the forge writes it.
pub const COMMIT: &str = "understudy.dev/commit";
/// Annotation: the pull request's title, as the forge writes it.
pub const TITLE: &str = "understudy.dev/title";
/// Annotation: `all` or a comma-separated list of the policy's databases.
pub const DATABASES: &str = "understudy.dev/databases";
/// Annotation: `asleep` or `awake`; absent means by schedule.
pub const SLEEP: &str = "understudy.dev/sleep";
/// Annotation: hash of the guardrails sealed last; written by the controller.
pub const GUARDRAILS: &str = "understudy.dev/guardrails";
/// Annotation prefix: state of a branch, `understudy.dev/database.NAME`; written by the controller.
pub const DATABASE_PREFIX: &str = "understudy.dev/database.";
/// Annotation: one human sentence; written by the controller.
pub const MESSAGE: &str = "understudy.dev/message";
/// Annotation: where a reviewer clicks; written by the controller.
pub const URL: &str = "understudy.dev/url";
/// Annotation: what the clone was made of, compact JSON; for reading only.
pub const LINEAGE: &str = "understudy.dev/lineage";
/// Annotation on objects of a clone: what of them was asked for and is not the golden's, compact JSON.
pub const OWN: &str = "understudy.dev/own";
/// Annotation: RFC 3339; opens a tombstone for automation.
pub const REVIVE: &str = "understudy.dev/revive";
/// Annotation: approvals, stamped by admission.
pub const APPROVALS: &str = "understudy.dev/approvals";
/// Annotation on Pods: written by admission only; this Pod has been reviewed.
pub const REVIEWED: &str = "understudy.dev/reviewed";

/// Annotation on what an exempt user let in against a rule: who it was. Written by admission only; the controller leaves such
/// an object alone.
pub const EXEMPTED_BY: &str = "understudy.dev/exempted-by";

/// Gate: the preview is not sealed yet; lifted by the controller after the seal.
pub const GATE_GUARDRAILS: &str = "understudy.dev/guardrails";
/// Gate: a branch is not ready yet; lifted by the controller.
pub const GATE_DATABASE: &str = "understudy.dev/database";
/// Gate: facts were missing at admission; never lifted, the Pod is replaced.
pub const GATE_REVIEW: &str = "understudy.dev/review";

/// The Secret of a clone that its own passwords are derived from, and its key.
pub const SEED_SECRET: (&str, &str) = ("understudy-seed", "seed");

/// Prefix of the Secrets that hold a branch's connection; reserved for the controller.
pub const BRANCH_SECRET_PREFIX: &str = "understudy-db-";

/// The policy a preview gets when it names none.
pub const DEFAULT_POLICY: &str = "default";

/// The ServiceAccount that answers admission reviews.
pub const ADMISSION_ACCOUNT: &str = "understudy-admission";
/// The ServiceAccount of the leader.
pub const CONTROLLER_ACCOUNT: &str = "understudy-controller";

/// The Secret with the serving pair: written by the leader, followed by `serve`.
pub const SERVING_SECRET: &str = "understudy-webhook-tls";

/// ClusterRole for those with access, bound in each preview.
pub const ROLE_USER: &str = "understudy-preview-user";
/// ClusterRole that lets admission read ConfigMaps and Secrets of one preview.
pub const ROLE_ADMISSION: &str = "understudy-preview-admission";
/// ClusterRole that lets the controller read one preview and write its branch Secrets.
pub const ROLE_CONTROLLER: &str = "understudy-preview-controller";

/// Whether `key` belongs to us.
pub fn is_ours(key: &str) -> bool {
    key.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'))
}

/// The Secret that holds the connection to the branch of policy database `name`.
pub fn branch_secret(name: &str) -> String {
    format!("{BRANCH_SECRET_PREFIX}{name}")
}

/// The annotation that tells the state of the branch of policy database `name`.
pub fn database_state(name: &str) -> String {
    format!("{DATABASE_PREFIX}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_ours_only_with_the_whole_group() {
        assert!(is_ours(PREVIEW));
        assert!(!is_ours("understudy.development/preview"));
        assert!(!is_ours("understudy.dev"));
    }
}
