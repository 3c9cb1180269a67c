//! `quarantined`: what would act on the outside by itself is suspended or gets a harmless value.
//!
//! A CronJob that lives in Git is left as it is, and the Jobs that its schedule makes are refused: nothing piles up, and
//! nothing in Git differs. One that somebody starts by hand runs.

use super::{Draft, Facts, Request, Rule, is_new, pod_environment};
use crate::admission::{gitops, kinds};
use crate::environment::{Kind, Origin, Variable};
use crate::keys;
use crate::policy::{CronJobs, PreviewPolicySpec, Rewrites};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const RULE: Rule = Rule {
    reason: Reason::Quarantined,
    applies: |request| {
        pod_environment(request)
            || request.is("batch", "cronjobs")
            || (request.is("batch", "jobs") && request.is_create())
    },
    review,
};

/// On a Job that `kubectl create job --from` made.
const BY_HAND: &str = "cronjob.kubernetes.io/instantiate";

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    // Without its policy a preview is quarantined as by default: what runs by a schedule asks nobody again.
    let by_default = PreviewPolicySpec::default();
    let policy = facts.policy().unwrap_or(&by_default);
    if pod_environment(request) {
        variables(request, facts, &policy.quarantine.env, draft);
    } else if policy.quarantine.cron_jobs == CronJobs::Run {
    } else if request.is("batch", "cronjobs") {
        let in_git =
            policy.rewrites == Rewrites::UnlessGitops && gitops::applier(request, Some(policy)).is_some();
        let left = in_git || policy.rewrites == Rewrites::Never;
        if request.object["spec"]["suspend"] != true && !left {
            draft.add(Reason::Quarantined, &["spec", "suspend"], json!(true));
        }
    } else if by_schedule(request) {
        let message = "this Job was made by the schedule of a CronJob, and schedules do not run in previews";
        let remedy = "start one by hand: kubectl create job NAME --from=cronjob/CRONJOB";
        draft.deny(Violation::new(Reason::Quarantined, "metadata.ownerReferences", message).remedy(remedy));
    }
}

fn by_schedule(request: &Request) -> bool {
    let metadata = &request.object["metadata"];
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let of_a_cron_job = owners.into_iter().any(|owner| owner["kind"] == "CronJob");
    // The template of a CronJob may carry any annotation: what the schedule's own controller makes is never by hand.
    let scheduled = kinds::by_the_control_plane(&request.user);
    of_a_cron_job && (scheduled || metadata["annotations"][BY_HAND] != "manual")
}

/// Gives each listed variable its harmless value, wherever a container has it.
fn variables(request: &Request, facts: &Facts, values: &BTreeMap<String, String>, draft: &mut Draft<'_>) {
    if values.is_empty() {
        return;
    }
    let pod = draft.current();
    let resolved = draft.environments(facts);
    for one in resolved
        .iter()
        .filter(|one| is_new(request, one.list, one.index, &pod))
    {
        let container = ["spec", one.list, &one.index.to_string()].map(str::to_owned);
        let all = &one.environment.variables;
        let mut added: Vec<Value> = Vec::new();
        for variable in all {
            let Some(wanted) = values
                .get(&variable.name)
                .filter(|wanted| variable.value.as_ref() != Some(wanted))
            else {
                continue;
            };
            // What means the preview's own branch is harmless already.
            if is_branch(variable) {
                continue;
            }
            // The kubelet expands what it finds; two dollars are one.
            let entry = json!({ "name": variable.name, "value": wanted.replace('$', "$$") });
            match variable.index {
                // Every one of them: what refers to the name takes the one before it.
                Some(index) => {
                    let index = index.to_string();
                    let path: Vec<&str> = container
                        .iter()
                        .map(String::as_str)
                        .chain(["env", &index])
                        .collect();
                    draft.replace(Reason::Quarantined, &path, entry);
                }
                None if !added.contains(&entry) && !present(&pod["spec"][one.list][one.index], &entry) => {
                    added.push(entry)
                }
                None => {}
            }
        }
        let path = |rest: &[&'static str]| {
            container
                .iter()
                .map(String::as_str)
                .chain(rest.iter().copied())
                .collect::<Vec<_>>()
        };
        if !added.is_empty() && !pod["spec"][one.list][one.index]["env"].is_array() {
            draft.add(Reason::Quarantined, &path(&["env"]), Value::Array(Vec::new()));
        }
        for entry in added {
            // In front, so that whatever refers to it finds it.
            draft.add(Reason::Quarantined, &path(&["env", "0"]), entry);
        }
    }
}

fn is_branch(variable: &Variable) -> bool {
    matches!(&variable.origin, Origin::Key(reference, _)
        if reference.kind == Kind::Secret && reference.name.starts_with(keys::BRANCH_SECRET_PREFIX))
}

fn present(container: &Value, entry: &Value) -> bool {
    container["env"].as_array().is_some_and(|env| env.contains(entry))
}
