//! What becomes of a kind: Kubernetes' own, those of the neighbours that clones know, and all others.
//!
//! Another vendor's kind may be a way out of the namespace, so that it is made only where the policy lists it.

mod built_in;
mod neighbours;

use super::verdict::Wave;
use crate::admission::is_vendors_group;
use crate::policy::PreviewPolicySpec;

/// How a kind is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Made in this wave, by its own file below `rewrite` or by the general rules.
    Make(Wave),
    /// Not part of a clone, for this reason.
    Skip(&'static str),
    /// Made in this wave where the policy lists the kind; else not part of a clone, for this reason.
    SkipUnlessListed(Wave, &'static str),
    /// Refused, for this reason and with this remedy.
    Refuse(&'static str, &'static str),
    /// Refused, since the policy does not list the kind.
    Unlisted,
}

use Treatment::{Make, Refuse, Skip, SkipUnlessListed, Unlisted};

/// How objects of `kind` in `group` are treated under `policy`.
pub(super) fn treatment(group: &str, kind: &str, policy: &PreviewPolicySpec) -> Treatment {
    let listed = || {
        let mut wanted = policy.kinds.iter().filter_map(|kind| kind.split_once('/'));
        wanted.any(|wanted| wanted == (group, kind))
    };
    match known(group, kind) {
        Some(Make(_)) if is_vendors_group(group) && !listed() => Unlisted,
        Some(SkipUnlessListed(wave, _)) if listed() => Make(wave),
        Some(SkipUnlessListed(_, reason)) => Skip(reason),
        Some(treatment) => treatment,
        None if !is_vendors_group(group) => {
            Refuse("clones do not know this kind", "keep it outside of the golden")
        }
        None if listed() => Make(Wave::Workloads),
        None => Unlisted,
    }
}

fn known(group: &str, kind: &str) -> Option<Treatment> {
    let rows = || built_in::KINDS.iter().chain(neighbours::KINDS);
    let own = rows().find(|(g, k, _)| *g == group && *k == kind);
    own.or_else(|| rows().find(|(g, k, _)| *g == group && *k == neighbours::ANY))
        .map(|(_, _, treatment)| *treatment)
}

/// Whether no object of `kind`, in whichever group, is ever part of a clone.
pub(super) fn is_never_made(kind: &str) -> bool {
    let rows = built_in::KINDS.iter().chain(neighbours::KINDS);
    let mut known = rows.filter(|(_, known, _)| *known == kind).peekable();
    known.peek().is_some() && known.all(|(_, _, treatment)| matches!(treatment, Skip(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn policy(kinds: &[&str]) -> PreviewPolicySpec {
        serde_json::from_value(serde_json::json!({ "kinds": kinds })).unwrap()
    }

    #[test]
    fn every_kind_has_one_treatment() {
        let rows = || built_in::KINDS.iter().chain(neighbours::KINDS);
        let kinds: BTreeSet<_> = rows().map(|(group, kind, _)| (group, kind)).collect();
        assert_eq!(kinds.len(), rows().count());
        assert!(built_in::KINDS.iter().all(|(group, ..)| !is_vendors_group(group)));
        assert!(
            neighbours::KINDS
                .iter()
                .all(|(group, ..)| is_vendors_group(group))
        );
    }

    #[test]
    fn another_vendors_kind_is_made_only_where_the_policy_lists_it() {
        // D03
        let rollout = |policy| treatment("argoproj.io", "Rollout", &policy);
        assert_eq!(rollout(policy(&[])), Unlisted);
        assert_eq!(rollout(policy(&["example.com/Rollout"])), Unlisted);
        assert_eq!(rollout(policy(&["argoproj.io/Rollout"])), Make(Wave::Workloads));
        let listed = policy(&["argoproj.io/Application", "example.com/Deployment"]);
        assert!(matches!(
            treatment("argoproj.io", "Application", &listed),
            Skip(_)
        ));
        assert_eq!(treatment("example.com", "Deployment", &policy(&[])), Unlisted);
    }

    #[test]
    fn an_unknown_kind_of_kubernetes_own_is_refused() {
        assert!(matches!(treatment("apps", "Novelty", &policy(&[])), Refuse(..)));
    }
}
