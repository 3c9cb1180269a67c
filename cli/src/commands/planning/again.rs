//! Planning a clone again, from what it says of itself: whose it is, its policy, its images, its passwords.

use super::{Read, read, refusals};
use crate::cluster::{Cluster, Existing, Installed, MANAGER};
use crate::error::{Exit, Failure};
use crate::settings::{Clone, Connection, Images, PlanOutput, Typed, Words};
use k8s_openapi::api::core::v1::Namespace;
use understudy::clone::{CloneSpec, Lineage, Plan, Seed, Selection, Snapshot, kept, selector};
use understudy::keys;
use understudy::policy::PreviewPolicySpec;

/// A clone, and what it would be if it were made today.
pub struct Again<'i> {
    /// Its namespace.
    pub namespace: Namespace,
    /// What is in it.
    pub live: Snapshot,
    /// What it was made of.
    pub lineage: Lineage,
    /// What it is asked to be.
    pub settings: Clone,
    /// What was read of its golden.
    pub read: Read<'i>,
    /// What it would be.
    pub plan: Plan,
}

impl<'i> Again<'i> {
    /// Reads the clone `name` and its golden, for what was typed.
    pub async fn plan(
        cluster: &Cluster,
        installed: &'i Installed,
        name: &str,
        typed: (&Words, &Connection),
        fresh: impl FnOnce() -> Seed,
    ) -> Result<Self, Failure> {
        let existing = cluster.preview(name).await?;
        let lineage = lineage(&existing)?;
        let mut settings = settings(&existing, &lineage, typed)?;
        let (live, _) = cluster
            .snapshot(existing.namespace.clone(), installed, &[])
            .await?;
        settings.spec.seed = cluster.seed(name).await?.unwrap_or_else(fresh);
        let read = read(cluster, installed, &settings).await?;
        let kept = kept(&live, &read.snapshot, MANAGER);
        settings.spec.images = kept.images;
        settings.spec.variables = kept.variables;
        settings.spec.secrets = kept.secrets;
        let plan = read.plan(&settings)?;
        Ok(Again {
            namespace: existing.namespace,
            live,
            lineage,
            settings,
            read,
            plan,
        })
    }

    /// What is refused of it. What is part of a clone is settled at its birth, so that it cannot leave out more than that.
    pub fn refusals(&self) -> Result<(), Failure> {
        refusals(&self.plan, &self.settings).map_err(|failure| {
            failure.caused_by(format!(
                "what is part of {} was settled when it was made; to leave out more takes another clone",
                self.plan.name()
            ))
        })
    }

    /// The policy it lives under.
    pub fn policy(&self) -> &PreviewPolicySpec {
        self.read.policy
    }
}

/// What the clone says that it was made of; an error where it was not cloned of what runs.
fn lineage(existing: &Existing) -> Result<Lineage, Failure> {
    let name = &existing.preview.name;
    let annotations = existing.namespace.metadata.annotations.as_ref();
    let read = annotations.and_then(|all| serde_json::from_str::<Lineage>(all.get(keys::LINEAGE)?).ok());
    let no_clone = |why: &str| {
        Failure::new(Exit::Refused, format!("{name} cannot be compared with a golden"))
            .caused_by(why)
            .hint("understudy list")
    };
    match read {
        None => Err(no_clone(
            "it was not made by understudy clone: it says nothing of what it was made of",
        )),
        Some(lineage) if lineage.from_manifests => Err(no_clone("it was made of manifests").hint(format!(
            "understudy clone {} --from-dir DIR --name {name}",
            lineage.golden
        ))),
        Some(lineage) => Ok(lineage),
    }
}

fn settings(
    existing: &Existing,
    lineage: &Lineage,
    (line, connection): (&Words, &Connection),
) -> Result<Clone, Failure> {
    let preview = &existing.preview;
    let unread = |what: &str| {
        Failure::new(
            Exit::Failed,
            format!("cannot read {what} in the lineage of {}", preview.name),
        )
    };
    let patterns = |texts: &[String]| {
        let parsed = texts.iter().map(|text| text.parse());
        parsed
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| unread("what was selected"))
    };
    let labels = match lineage.selector.as_slice() {
        [] => Vec::new(),
        labels => selector(&labels.join(",")).map_err(|_| unread("the selector"))?,
    };
    let label = |key: &str| existing.namespace.metadata.labels.as_ref()?.get(key).cloned();
    Ok(Clone {
        golden: preview.parent.clone().unwrap_or_else(|| lineage.golden.clone()),
        others: lineage.others.clone(),
        from_dir: None,
        spec: CloneSpec {
            name: preview.name.clone(),
            pr: label(keys::PR).and_then(|pr| pr.parse().ok()),
            selection: Selection {
                only: patterns(&lineage.only)?,
                selector: labels,
                exclude: patterns(&lineage.exclude)?,
            },
            changed: lineage.changed.clone(),
            commit: lineage.commit.clone(),
            ..CloneSpec::default()
        },
        policy: preview.policy.clone(),
        images: Images::default(),
        wait_url: false,
        wait: None,
        dry_run: false,
        output: PlanOutput::Table,
        again: Typed::new(line.clone(), wishes(existing, lineage), connection),
    })
}

/// What made the clone, as its lineage tells it: without the images, variables and Secrets that are its own.
fn wishes(existing: &Existing, lineage: &Lineage) -> Words {
    let preview = &existing.preview;
    let mut words = Words::default();
    words.word(preview.parent.as_ref().unwrap_or(&lineage.golden));
    lineage.others.iter().for_each(|other| words.word(other));
    words.option("--name", Some(preview.name.clone()));
    words.option("--policy", Some(preview.policy.clone()));
    for (flag, patterns) in [("--only", &lineage.only), ("--exclude", &lineage.exclude)] {
        patterns
            .iter()
            .for_each(|pattern| words.option(flag, Some(pattern.clone())));
    }
    for (flag, texts) in [("--changed", &lineage.changed), ("--selector", &lineage.selector)] {
        words.option(flag, (!texts.is_empty()).then(|| texts.join(",")));
    }
    words
}
