//! The API server: it answers, and is new enough.

use super::finding::Finding;
use crate::cluster::Inspection;

/// Since then ValidatingAdmissionPolicies and matchConditions, on which two of the three layers rest, are generally available.
/// Source: <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>.
const OLDEST: (u32, u32) = (1, 30);

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let (major, minor, version) = &inspection.version;
    let found = format!("{version} at {}", inspection.url);
    vec![if (*major, *minor) >= OLDEST {
        Finding::ok(found)
    } else {
        let (major, minor) = OLDEST;
        Finding::failed(format!(
            "{found}: ValidatingAdmissionPolicies need {major}.{minor} or newer"
        ))
        .mend("upgrade the control plane")
    }]
}
