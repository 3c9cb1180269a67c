//! The leader: somebody holds the Lease and renewed it lately, or nothing is sealed, lifted or ended.

use super::finding::{Finding, known};
use crate::cluster::{Inspection, LEADER};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;

/// Between the end of a Lease and the moment another leader has taken over, clocks being what they are.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let home = &inspection.namespace;
    let look =
        format!("kubectl --namespace {home} get pods --selector app.kubernetes.io/component=controller");
    let consequence = "previews are neither sealed nor ended, and their Pods are held";
    let absent = || {
        Finding::failed(format!(
            "there is no Lease {home}/{LEADER}, so there never was a leader: {consequence}"
        ))
        .mend(&look)
    };
    vec![
        match known(&format!("Lease {home}/{LEADER}"), &inspection.lease, absent) {
            Err(finding) => finding,
            Ok(lease) => match held(lease, inspection.now) {
                Ok(holder) => Finding::ok(format!("{holder} leads")),
                Err(why) => Finding::failed(format!("nobody leads: {why}; {consequence}")).mend(look),
            },
        },
    ]
}

fn held(lease: &Lease, now: Timestamp) -> Result<&str, String> {
    let spec = lease.spec.as_ref().ok_or("the Lease is empty")?;
    let holder = spec
        .holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
        .ok_or("the Lease was let go of")?;
    let renewed = spec
        .renew_time
        .as_ref()
        .map(|time| time.0)
        .ok_or("the Lease was never renewed")?;
    let lasts = SignedDuration::from_secs(i64::from(spec.lease_duration_seconds.unwrap_or(15)));
    if now.duration_since(renewed) > lasts + PATIENCE {
        return Err(format!("{holder} renewed the Lease last at {renewed}"));
    }
    Ok(holder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_that_nobody_renews_is_nobodys() {
        let lease: Lease = serde_json::from_value(json!({ "spec": {
            "holderIdentity": "one", "renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 15 } }))
        .unwrap();
        assert_eq!(held(&lease, "2026-01-01T00:00:40Z".parse().unwrap()), Ok("one"));
        assert!(held(&lease, "2026-01-01T00:01:00Z".parse().unwrap()).is_err());
        let free = serde_json::from_value(json!({ "spec": { "holderIdentity": "" } })).unwrap();
        assert!(held(&free, "2026-01-01T00:00:40Z".parse().unwrap()).is_err());
    }
}
