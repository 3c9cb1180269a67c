//! `database-rewritten`: every variable that means a golden database means the preview's own branch afterwards.

use super::{Draft, Facts, Request, Rule, is_new, pod_environment};
use crate::branching::{self, EnvPlan};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;

pub(super) const RULE: Rule = Rule {
    reason: Reason::DatabaseRewritten,
    applies: pod_environment,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let (Some(preview), Some(policy)) = (&facts.preview, facts.policy()) else {
        return;
    };
    let databases = preview.branched(policy);
    if databases.is_empty() {
        return;
    }
    let pod = draft.current();
    let resolved = draft.environments(facts);
    for one in resolved
        .iter()
        .filter(|one| is_new(request, one.list, one.index, &pod))
    {
        let container = &pod["spec"][one.list][one.index];
        for name in branching::shadows(container, &databases) {
            let field = format!("spec.{}[{}].env[{name}]", one.list, one.index);
            let message = "this name stands for a part of a branch's connection";
            draft.deny(Violation::new(Reason::FieldReserved, field, message).remedy("use another name"));
        }
        let plan = branching::plan(container, &one.environment, &databases);
        write(
            draft,
            &["spec", one.list, &one.index.to_string()],
            container,
            &plan,
        );
        for (variable, option) in &plan.dropped {
            draft.warn(format!(
                "{variable}: option {option} was dropped, it might hold a secret"
            ));
        }
    }
}

fn write(draft: &mut Draft<'_>, container_path: &[&str], container: &Value, plan: &EnvPlan) {
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
