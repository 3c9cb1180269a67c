//! The preview itself: its policy, its lease, its guardrails.

use super::row::Row;
use super::sight::Sight;
use serde_json::{Value, json};
use understudy::guardrails::{self, Kind};
use understudy::keys;

/// Its policy enforces.
pub fn policy(sight: &Sight) -> Row {
    let name = &sight.preview.policy;
    let row = Row::new("policy", format!("PreviewPolicy {name}"));
    match sight.policy() {
        None => row
            .broken(format!(
                "there is no PreviewPolicy {name}, so that nothing of it is enforced anew"
            ))
            .hint("kubectl get previewpolicies"),
        Some(policy) if policy.only_observes() => {
            row.broken("it only observes (enforcement: warn)").hint(format!(
                "kubectl explain previewpolicies.spec.enforcement, then kubectl edit previewpolicy {name}"
            ))
        }
        Some(_) => row,
    }
}

/// It ends.
pub fn lease(sight: &Sight) -> Row {
    let preview = &sight.preview;
    let row = Row::new("lease", "expires-at, and the policy's lifetime.max");
    let Some(lease) = preview.lease else {
        return row
            .broken("it has no lease that can be read, so that nobody knows when it ends")
            .hint(format!("understudy extend {} --by 1h", preview.name));
    };
    let limit = preview.lease_under(sight.policy()).map(|limit| limit.expires_at);
    let row = if limit.is_some_and(|limit| lease.expires_at > limit) {
        row.broken(format!(
            "it ends at {}, later than the policy allows",
            lease.expires_at
        ))
    } else if lease.is_over(sight.now) {
        row.broken(format!("it ended at {}", lease.expires_at))
    } else {
        Row {
            looked: format!("it ends at {}", lease.expires_at),
            ..row
        }
    };
    row.hint(format!("understudy describe {}", preview.name))
}

/// What the policy puts into it is there as written, nothing else says it is, and the seal is today's.
pub fn guardrails(sight: &Sight) -> Row {
    let Some(policy) = sight.policy() else {
        return Row::new("guardrails", "nothing").unknown("its policy is gone");
    };
    let preview = &sight.preview;
    let desired = guardrails::desired(preview, policy, &sight.facts.installation.namespace);
    let mut row = Row::new(
        "guardrails",
        format!("the seal, and {} guardrails", desired.len()),
    );
    match &preview.sealed {
        None => row = row.broken("it is not sealed yet"),
        Some(hash) if *hash != guardrails::seal_hash(&desired) => {
            row = row.broken("the seal is not that of its policy as it is now");
        }
        Some(_) => {}
    }
    let hidden = sight.unread(&Kind::ALL.map(|kind| kind.api().1));
    let live: Vec<Value> = sight.live.objects.iter().map(|object| json!(object)).collect();
    for guardrail in &desired {
        let (api_version, kind) = guardrail.kind.api();
        let is_it = |object: &&Value| {
            object["apiVersion"] == api_version
                && object["kind"] == kind
                && object["metadata"]["name"] == guardrail.name.as_str()
        };
        let id = format!("{kind}/{}", guardrail.name);
        match live.iter().find(is_it) {
            None if hidden.iter().any(|hidden| hidden.starts_with(kind)) => {}
            None => row = row.broken(format!("{id} is not there")),
            Some(object) if !guardrails::matches(object, &guardrail.object) => {
                row = row.broken(format!("{id} is not as the policy wants it"));
            }
            Some(object) if guardrail.kind == Kind::ResourceQuota && !guardrails::quota_in_force(object) => {
                row = row.broken(format!("{id} is not in force yet"));
            }
            Some(_) => {}
        }
    }
    let called_one = |object: &&Value| {
        let guardrail = object["metadata"]["labels"][keys::GUARDRAIL].is_string();
        guardrail && object["kind"] != "Secret"
    };
    let stray = live.iter().filter(called_one).filter(|object| {
        let same = |one: &guardrails::Guardrail| {
            object["kind"] == one.kind.api().1 && object["metadata"]["name"] == one.name.as_str()
        };
        !desired.iter().any(same)
    });
    let stray = stray.map(|object| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!(
            "{}/{} is called a guardrail and is none",
            text(&object["kind"]),
            text(&object["metadata"]["name"])
        )
    });
    row.broken_by(stray).unknown_for(hidden).hint(format!(
        "understudy describe {}, and understudy doctor",
        preview.name
    ))
}
