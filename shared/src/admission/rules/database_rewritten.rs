//! `database-rewritten`: every variable that means a golden database means the preview's own branch afterwards.

use super::{Draft, Facts, Request, Rule, pod_environment};
use crate::admission::containers;
use crate::branching::{self, EnvPlan};
use crate::environment;
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::DatabaseRewritten,
    applies: pod_environment,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft) {
    let (Some(preview), Some(policy)) = (&facts.preview, facts.policy()) else {
        return;
    };
    let databases = preview.branched(policy);
    let pod = draft.object().clone();
    for (list, index, container) in containers(&pod) {
        // Running containers cannot change; only the new ephemeral one is decided.
        if request.sub_resource == "ephemeralcontainers"
            && request.old_object["spec"][list][index] == *container
        {
            continue;
        }
        for name in branching::shadows(container, &databases) {
            let field = format!("spec.{list}[{index}].env[{name}]");
            let message = "this name stands for a part of a branch's connection";
            draft.deny(Violation::new(Reason::FieldReserved, field, message).remedy("use another name"));
        }
        let environment = environment::resolve(&pod, container, facts);
        let plan = branching::plan(container, &environment, &databases);
        write(draft, &["spec", list, &index.to_string()], container, &plan);
        for (variable, option) in &plan.dropped {
            draft.warn(format!(
                "{variable}: option {option} was dropped, it might hold a secret"
            ));
        }
    }
}

fn write(draft: &mut Draft, container_path: &[&str], container: &Value, plan: &EnvPlan) {
    if plan.is_empty() {
        return;
    }
    let path = |rest: &[&'static str]| [container_path, rest].concat();
    if !container["env"].is_array() {
        draft.add(
            Reason::DatabaseRewritten,
            &path(&["env"]),
            Value::Array(Vec::new()),
        );
    }
    for (index, entry) in &plan.replaced {
        let index = index.to_string();
        let full = [container_path, &["env", index.as_str()]].concat();
        draft.replace(Reason::DatabaseRewritten, &full, entry.clone());
    }
    for entry in plan.prepended.iter().rev() {
        draft.add(Reason::DatabaseRewritten, &path(&["env", "0"]), entry.clone());
    }
}
