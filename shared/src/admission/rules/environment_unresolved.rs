//! `environment-unresolved`: what could not be read is never guessed.
//!
//! A Pod of a ReplicaSet, StatefulSet or DaemonSet is admitted under the gate `understudy.dev/review`, which is never
//! lifted: the controller deletes it when the facts are there and its owner makes a new one, so nobody waits out a
//! back-off. A bare Pod is denied, and so is a Job's, where a deleted Pod would count as a failure.

use super::{Draft, Facts, Request, Rule, held, is_new, pod_environment};
use crate::admission::is_made_again;
use crate::environment::{self, Fact, Reference, Sources};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::EnvironmentUnresolved,
    applies: pod_environment,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let missing = missing(request, facts, draft);
    if missing.is_empty() {
        return;
    }
    if is_made_again(draft.object()) && request.sub_resource.is_empty() {
        draft.warn(format!("held until it can be reviewed: {}", missing[0].message));
        held::gate(draft, Reason::EnvironmentUnresolved, keys::GATE_REVIEW);
    } else {
        missing.into_iter().for_each(|violation| draft.deny(violation));
    }
}

fn missing(request: &Request, facts: &Facts, draft: &mut Draft<'_>) -> Vec<Violation> {
    let unresolved = |field: &str, message: String| {
        Violation::new(Reason::EnvironmentUnresolved, field, message).remedy("try again in a moment")
    };
    let Some(preview) = &facts.preview else {
        return vec![unresolved(
            "metadata.namespace",
            "the preview could not be read now".to_owned(),
        )];
    };
    if facts.policy().is_none() {
        let message = format!("PreviewPolicy {} does not exist", preview.policy);
        return vec![
            Violation::new(Reason::PolicyMissing, "metadata.namespace", message)
                .remedy("ask an administrator to restore it"),
        ];
    }
    let pod = draft.current();
    let mut all = Vec::new();
    let resolved = draft.environments(facts);
    for one in resolved
        .iter()
        .filter(|one| is_new(request, one.list, one.index, &pod))
    {
        let name = pod["spec"][one.list][one.index]["name"]
            .as_str()
            .unwrap_or_default();
        for missing in &one.environment.missing {
            let field = format!("spec.{}[{}].env[{}]", one.list, one.index, missing.variable);
            let message = format!(
                "container {name}, variable {}: {} cannot be read",
                missing.variable, missing.what
            );
            all.push(unresolved(&field, message));
        }
    }
    // What is not there yet is reviewed when it comes: the Pod waits for it on its node.
    let unread = environment::mounted(&pod)
        .into_iter()
        .filter(|_| request.is_create());
    for mounted in unread.filter(|mounted| facts.data(&mounted.reference) == Fact::Unknown) {
        let field = format!("spec.volumes[{}]", mounted.volume);
        let Reference { kind, name } = &mounted.reference;
        all.push(unresolved(
            &field,
            format!("volume {}: {} {name} cannot be read", mounted.volume, kind.name()),
        ));
    }
    all
}
