//! `understudy clone`: read, plan, apply in waves, wait.
//!
//! Guarantees: nothing is written before the whole plan stands and the target is free or already this clone. Running it
//! again converges and touches nothing that is right.

mod carry_out;
mod render;
mod source;
mod target;

use super::wait;
use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{Clone, PlanOutput};
use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString};
use serde_json::json;
use std::collections::BTreeMap;
use target::Target;
use understudy::clone::{Mistake, Plan, Rules, Seed, plan};
use understudy::policy::PreviewPolicySpec;
use understudy::protected::Protected;
use understudy::services::Services;
use understudy::violation::printable;

/// Clones a golden.
pub async fn run(cluster: &Cluster, mut settings: Clone, printer: &Printer) -> Result<(), Failure> {
    let progress = Progress::new(printer, settings.output == PlanOutput::Json && !settings.dry_run);
    progress.begin(&format!("reading {}", settings.golden), 0);
    let installed = cluster.installed().await?;
    let policy = policy(&installed.policies, &settings)?;
    let existing = cluster.namespace(&settings.spec.name).await?;
    let target = target::check(existing, &settings)?;
    settings.spec.seed = match &target {
        Target::Ours(_) => cluster.seed(&settings.spec.name).await?,
        Target::New => None,
    }
    .unwrap_or_else(seed);
    let (snapshot, resources) = source::read(cluster, &installed, policy, &settings).await?;
    // Whoever may not list namespaces still knows these.
    let mut goldens = cluster.goldens().await.unwrap_or_default();
    goldens.push(settings.golden.clone());
    goldens.extend(settings.others.iter().cloned());
    let rules = Rules {
        policy_name: &settings.policy,
        policy,
        protected: &Protected::new(goldens, installed.policies.values(), &Services::default()),
    };
    let plan = plan(&snapshot, &settings.spec, rules, Timestamp::now()).map_err(mistaken)?;
    progress.done(
        &format!("read {} objects of {}", snapshot.objects.len(), settings.golden),
        json!({ "event": "read", "golden": settings.golden, "objects": snapshot.objects.len() }),
    );
    report(&plan, &settings, printer);
    if settings.dry_run {
        drop(progress);
        render::show(&plan, &settings, printer)?;
        return refusals(&plan, &settings);
    }
    refusals(&plan, &settings)?;
    let written = carry_out::run(cluster, &plan, target, &resources, &settings, &progress).await?;
    let url = render::url(&plan);
    let counts = written.describe();
    let expires_at = written.expires_at;
    progress.done(
        &format!("{}: {counts}", plan.name()),
        json!({ "event": "applied", "name": plan.name(), "created": written.created, "changed": written.changed, "unchanged": written.unchanged }),
    );
    if let Some(timeout) = settings.wait {
        wait::ready(cluster, plan.name(), timeout, &settings.again, &progress).await?;
    }
    if settings.output == PlanOutput::Json {
        progress.note(
            "",
            json!({ "event": "done", "name": plan.name(), "url": url, "expiresAt": expires_at, "ready": settings.wait.is_some() }),
        );
        return Ok(());
    }
    drop(progress);
    if let Some(end) = &expires_at {
        printer.say(&format!(
            "It lives until {end}; move that with: understudy extend {} --by 1h",
            plan.name()
        ));
    }
    super::data(printer, url.as_deref().unwrap_or(plan.name()))
}

/// What the clone's own passwords are derived from, where it has none yet.
fn seed() -> Seed {
    Seed::new(Alphanumeric.sample_string(&mut rand::rng(), 32))
}

fn policy<'p>(
    policies: &'p BTreeMap<String, PreviewPolicySpec>,
    settings: &Clone,
) -> Result<&'p PreviewPolicySpec, Failure> {
    policies.get(&settings.policy).ok_or_else(|| {
        let known: Vec<_> = policies.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "there is none".to_owned()
        } else {
            known.join(", ")
        };
        Failure::new(
            Exit::NotFound,
            format!("there is no PreviewPolicy {}", settings.policy),
        )
        .caused_by(format!("policies in this cluster: {known}"))
        .hint("kubectl get previewpolicies, then add --policy NAME")
    })
}

/// Mistakes in what was asked for, all at once.
fn mistaken(mistakes: Vec<Mistake>) -> Failure {
    let exit = if mistakes
        .iter()
        .all(|mistake| matches!(mistake, Mistake::Ttl { .. }))
    {
        Exit::Refused
    } else {
        Exit::Usage
    };
    let hint = mistakes.iter().map(|mistake| match mistake {
        Mistake::Ttl { limits, .. } => format!("--ttl {}", limits.max),
        Mistake::Name { .. } => "--name NAME".to_owned(),
        Mistake::UnknownImage { image, .. } | Mistake::AmbiguousImage { image, .. } => {
            format!("--image NAME={}", image.image)
        }
        Mistake::UnknownVariablePlace { .. } => "--set-env WORKLOAD/CONTAINER:KEY=VALUE".to_owned(),
        Mistake::TwoImages(name) => format!("--image {name}=IMAGE once"),
    });
    let hint = hint.collect::<Vec<_>>().join(" ");
    let mut texts = mistakes.iter().map(ToString::to_string);
    let mut failure = Failure::new(exit, texts.next().unwrap_or_default());
    failure.causes.extend(texts);
    failure.hint(hint)
}

/// What could not be read, and what somebody should look at.
fn report(plan: &Plan, settings: &Clone, printer: &Printer) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for unreadable in &plan.unreadable {
        reasons.entry(&unreadable.why).or_default().push(&unreadable.kind);
    }
    for (why, kinds) in reasons {
        printer.warn(&printable(&format!(
            "not part of the clone: {} ({why})",
            kinds.join(", ")
        )));
    }
    for shortage in plan.shortages.iter().filter(|shortage| shortage.only_in_rollouts) {
        printer.warn(&printable(&shortage.describe(&settings.policy)));
    }
    for warning in &plan.warnings {
        printer.warn(&printable(warning));
    }
}

/// A refused object stops everything, and all are named at once.
fn refusals(plan: &Plan, settings: &Clone) -> Result<(), Failure> {
    let refused: Vec<_> = plan.refusals().collect();
    let short: Vec<String> = plan
        .shortages
        .iter()
        .filter(|shortage| !shortage.only_in_rollouts)
        .map(|shortage| shortage.describe(&settings.policy))
        .collect();
    if refused.is_empty() && short.is_empty() {
        return Ok(());
    }
    let s = if refused.len() == 1 { "" } else { "s" };
    let what = if refused.is_empty() {
        format!(
            "the clone does not fit policy {}; nothing was written",
            settings.policy
        )
    } else {
        format!(
            "{} object{s} of {} cannot be cloned; nothing was written",
            refused.len(),
            settings.golden
        )
    };
    let mut failure = Failure::new(Exit::Refused, what);
    for item in &refused {
        failure = failure.caused_by(format!("{}: {}; remedy: {}", item.id(), item.reason, item.remedy));
    }
    failure.causes.extend(short);
    Err(match refused.as_slice() {
        [item] => failure.hint(item.remedy.clone()),
        _ => failure.hint(format!(
            "understudy clone {} --name {} --dry-run shows every verdict",
            settings.golden,
            plan.name()
        )),
    })
}
