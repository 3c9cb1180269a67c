//! `understudy extend`: moves the end of a lease, within the policy's maximum.

use super::data;
use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::Extend;
use crate::table::until;
use jiff::Timestamp;
use serde_json::json;
use understudy::keys;

/// Extends the lease of a preview.
pub async fn run(cluster: &Cluster, settings: Extend, printer: &Printer) -> Result<(), Failure> {
    let name = &settings.name;
    let existing = cluster.preview(name).await?;
    let what = format!("cannot extend {name}");
    if existing.preview.deleting {
        return Err(Failure::new(Exit::Refused, what)
            .caused_by("it is being deleted")
            .hint("understudy list"));
    }
    let Some(lease) = existing.preview.lease else {
        return Err(Failure::new(Exit::NotInstalled, what)
            .caused_by("it has no lease: Understudy's webhook did not see this namespace")
            .hint("understudy doctor"));
    };
    let policies = cluster.policies().await?;
    let Some(policy) = policies.get(&existing.preview.policy) else {
        return Err(Failure::new(Exit::NotFound, what)
            .caused_by(format!("its policy {} is gone", existing.preview.policy))
            .hint("kubectl get previewpolicies"));
    };
    let now = Timestamp::now();
    let extended = lease.extend(settings.by, now, &policy.lifetime).map_err(|_| {
        let latest = lease.latest(&policy.lifetime);
        let from = now.max(lease.expires_at);
        let most = until(latest, from);
        let failure = Failure::new(Exit::Refused, &what).caused_by(format!(
            "policy {} lets it live {} from its creation, until {latest}; its lease ends at {}",
            existing.preview.policy, policy.lifetime.max, lease.expires_at
        ));
        if most == "now" {
            failure.hint(format!(
                "nothing is left to extend; make a new one after understudy destroy {name}"
            ))
        } else {
            failure.hint(format!("understudy extend {name} --by {most}"))
        }
    })?;
    let version = existing.namespace.metadata.resource_version.as_deref();
    let annotations = json!({ keys::EXPIRES_AT: extended.expires_at.to_string() });
    cluster.annotate(name, version, annotations, &what).await?;
    printer.say(&format!(
        "The lease of {name} now ends in {}.",
        until(extended.expires_at, now)
    ));
    data(printer, &extended.expires_at.to_string())
}
