//! Reason codes: one string for a decision, the same in denials, metrics, events, docs and the command line.

mod explained;

pub use explained::{Effect, Explained, page};

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal : $sentence:literal,)*) => {
        /// Why something was changed or refused. A closed set: metrics use it as a label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $sentence] $variant,)* }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The code as users see it.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)* }
            }

            /// One sentence for people.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$variant => $sentence,)* }
            }
        }
    };
}

reasons! {
    LeaseGranted = "lease-granted": "The namespace received its lease and the labels of a preview.",
    DatabaseRewritten = "database-rewritten": "A connection to a golden database now points at the preview's own branch.",
    Placed = "placed": "The Pod runs where the policy places previews.",
    IdentityDropped = "identity-dropped": "A cloud identity was taken off, so that nothing of a preview acts in the cloud account.",
    ExposureLowered = "exposure-lowered": "A Service was kept inside the cluster.",
    HostRewritten = "host-rewritten": "A host became one of this preview's own.",
    Quarantined = "quarantined": "What would act on the outside was suspended or given a harmless value.",
    Held = "held": "The Pod waits until guardrails and databases are ready.",
    LabelRemoved = "label-removed": "Only an administrator may take the preview label off.",
    PolicyChanged = "policy-changed": "The policy of a preview is fixed at birth.",
    ParentChanged = "parent-changed": "Parent and pull request of a preview are fixed at birth.",
    KeyInvalid = "key-invalid": "A key of the contract holds a malformed value.",
    FieldReserved = "field-reserved": "This key is written by Understudy or by administrators only.",
    LeaseOutOfRange = "lease-out-of-range": "The lease is outside the limits of the policy.",
    OwnerForged = "owner-forged": "Only a trusted service account may name another user as owner.",
    GitopsManaged = "gitops-managed": "A rule would change an object that lives in Git.",
    EnvironmentUnresolved = "environment-unresolved": "What the Pod's environment holds could not be read yet.",
    NameInvalid = "name-invalid": "The namespace's name cannot be a preview's.",
    DaemonSetRefused = "daemonset-refused": "A preview runs no DaemonSets.",
    CreatorRefused = "creator-refused": "The policy does not admit this user.",
    NotAdoptable = "not-adoptable": "This namespace may not become a preview.",
    PolicyMissing = "policy-missing": "No such policy.",
    GateLifted = "gate-lifted": "Only the controller lifts the gates of a held Pod.",
    GuardrailTampered = "guardrail-tampered": "Guardrails belong to the controller.",
    IdentityConfined = "identity-confined": "Understudy's own service accounts act in previews and in their own namespace only.",
    KindNotAllowed = "kind-not-allowed": "Objects of this kind may not exist in a preview.",
    NetworkWidened = "network-widened": "A NetworkPolicy allows more than the policy's network section.",
    ProtectedEndpoint = "protected-endpoint": "Something would reach a protected namespace, host or database.",
    UnreadableEnvironment = "unreadable-environment": "Nobody can review what this would bring into the Pod.",
    SecretCopied = "secret-copied": "A secret value of a protected namespace stands here.",
    SecretStoreForbidden = "secret-store-forbidden": "A secret is asked for where previews may not ask.",
    RoleEscalated = "role-escalated": "Access beyond what the policy gives in a preview.",
    InternalError = "internal-error": "Understudy failed while reviewing; the request is refused to be safe.",
    HostStolen = "host-stolen": "A host outside this preview's own names.",
    OverLimits = "over-limits": "The Pod came before the preview's limits and exceeds them.",
    OverQuota = "over-quota": "The Pod came before the preview's quota and exceeds it.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_kebab_case() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(
            codes
                .iter()
                .all(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        );
    }
}
