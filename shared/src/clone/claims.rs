//! Which volume claims belong to a StatefulSet.

use super::snapshot::{Snapshot, name_of};
use serde_json::Value;

/// The StatefulSet that makes the claim `claim` by itself: such a claim has no owner, only a name.
///
/// Source: <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#volume-claim-templates>.
pub(super) fn maker<'s>(snapshot: &'s Snapshot, claim: &str) -> Option<&'s str> {
    snapshot
        .of("StatefulSet")
        .map(|set| (name_of(set), set))
        .find_map(|(name, set)| {
            let templates = set
                .data
                .pointer("/spec/volumeClaimTemplates")
                .and_then(Value::as_array)?;
            let made = templates
                .iter()
                .filter_map(|template| template.pointer("/metadata/name").and_then(Value::as_str))
                .any(|template| {
                    claim
                        .strip_prefix(&format!("{template}-{name}-"))
                        .is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
                });
            made.then_some(name)
        })
}
