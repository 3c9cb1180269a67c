//! What `clone`, `render`, `diff` and `refresh` begin with: reading a golden, planning, saying what comes of it.

mod again;

pub use again::Again;

use super::clone::source;
use crate::cluster::{Cluster, Installed, Resources};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::Clone;
use jiff::Timestamp;
use kube::core::DynamicObject;
use std::collections::BTreeMap;
use understudy::clone::{Mistake, Plan, Rules, Snapshot};
use understudy::policy::PreviewPolicySpec;
use understudy::protected::Protected;
use understudy::services::Services;
use understudy::violation::printable;

/// What a plan was made of.
pub struct Read<'i> {
    snapshot: Snapshot,
    policy: &'i PreviewPolicySpec,
    protected: Protected,
    /// Which resource serves each kind.
    pub resources: Resources,
}

/// Reads the golden of `settings`.
pub async fn read<'i>(
    cluster: &Cluster,
    installed: &'i Installed,
    settings: &Clone,
) -> Result<Read<'i>, Failure> {
    let policy = policy(&installed.policies, settings)?;
    let (read, goldens) = futures::join!(
        source::read(cluster, installed, policy, settings),
        cluster.goldens()
    );
    let (snapshot, resources) = read?;
    // Whoever may not list namespaces still knows these.
    let mut goldens = goldens.unwrap_or_default();
    goldens.push(settings.golden.clone());
    goldens.extend(settings.others.iter().cloned());
    Ok(Read {
        snapshot,
        policy,
        protected: Protected::new(goldens, installed.policies.values(), &Services::default()),
        resources,
    })
}

impl Read<'_> {
    /// The golden's objects, as they were read.
    pub fn objects(&self) -> &[DynamicObject] {
        &self.snapshot.objects
    }

    /// How many objects the golden has.
    pub fn count(&self) -> usize {
        self.snapshot.objects.len()
    }

    /// What `settings` comes to.
    pub fn plan(&self, settings: &Clone) -> Result<Plan, Failure> {
        let rules = Rules {
            policy_name: &settings.policy,
            policy: self.policy,
            protected: &self.protected,
        };
        understudy::clone::plan(&self.snapshot, &settings.spec, rules, Timestamp::now()).map_err(mistaken)
    }
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
        Mistake::UnknownWorkload { .. } => "--changed WORKLOAD".to_owned(),
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
pub fn report(plan: &Plan, settings: &Clone, printer: &Printer) {
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
pub fn refusals(plan: &Plan, settings: &Clone) -> Result<(), Failure> {
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
    let causes = refused.iter().map(|item| match refused.as_slice() {
        [_] => format!("{}: {}", item.id(), item.reason),
        _ => format!("{}: {}; remedy: {}", item.id(), item.reason, item.remedy),
    });
    failure.causes.extend(causes.chain(short));
    Err(match refused.as_slice() {
        [item] => failure.hint(item.remedy.clone()),
        _ => failure.hint(format!("{} shows every verdict", settings.again.dry_run())),
    })
}
