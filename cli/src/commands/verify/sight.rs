//! What is looked at: read once, with the caller's own rights. What may not be read is a fact of its own.

use crate::branch::{Login, Powers, Trust};
use crate::check::{Catalogue, Standing, Subject, World, pod_of};
use crate::cluster::{Cluster, Seen};
use crate::error::Failure;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use understudy::admission::{Facts, needs};
use understudy::clone::{Lineage, Snapshot};
use understudy::environment::{Fact, Kind};
use understudy::keys;
use understudy::policy::{Database, PreviewPolicySpec};
use understudy::preview::{Preview, is_golden};
use understudy::protected::Protected;
use understudy::services::Services;

/// A preview, its goldens and its branches.
pub struct Sight {
    /// When it was looked at.
    pub now: Timestamp,
    /// The preview.
    pub preview: Preview,
    /// What is in it.
    pub live: Snapshot,
    /// The goldens that it was made of, or why one could not be read.
    pub goldens: BTreeMap<String, Result<Snapshot, String>>,
    /// What the cluster serves.
    pub catalogue: Catalogue,
    /// What a review in it would know.
    pub facts: Facts,
    /// What it would know as well, and could not be read.
    pub unseen: Unseen,
    /// Its branches.
    pub branches: Vec<Branch>,
}

/// Why something around the preview is not known.
#[derive(Default)]
pub struct Unseen {
    /// Which namespaces are goldens.
    pub goldens: Vec<String>,
    /// Where Services of protected namespaces lead.
    pub services: Vec<String>,
    /// The values of Secrets in protected namespaces.
    pub secrets: Vec<String>,
}

/// One branch.
pub struct Branch {
    /// The policy's database.
    pub database: Database,
    /// The data of its Secret, as who logs in where; an error says why not.
    pub login: Result<Login, String>,
    /// What its role can do; an error says why nobody could ask.
    pub powers: Result<Powers, String>,
}

impl Sight {
    /// Reads everything. `authority` is where the databases' certificates come from, where the caller knows better.
    pub async fn read(cluster: &Cluster, name: &str, authority: Option<&Trust>) -> Result<Self, Failure> {
        let existing = cluster.preview(name).await?;
        let (installed, catalogue, home) =
            futures::try_join!(cluster.installed(), cluster.catalogue(), async {
                Ok(cluster.home().await)
            })?;
        let installation = cluster.installation(&home).await;
        let preview = existing.preview;
        let (live, _) = cluster
            .snapshot(existing.namespace.clone(), &installed, &[])
            .await?;
        let mut unseen = Unseen::default();
        let all_goldens = cluster.goldens().await.unwrap_or_else(|failure| {
            let why = failure.causes.join("; ");
            unseen.goldens.push(format!("{}: {why}", failure.what));
            Vec::new()
        });
        let mut goldens = BTreeMap::new();
        for golden in made_of(&existing.namespace, &preview, &all_goldens) {
            let read = match cluster.namespace(&golden).await {
                Ok(Some(namespace)) if is_golden(namespace.metadata.labels.as_ref()) => cluster
                    .snapshot(namespace, &installed, &[])
                    .await
                    .map(|(snapshot, _)| snapshot)
                    .map_err(|failure| failure.what),
                Ok(_) => Err("it is no golden any more".to_owned()),
                Err(failure) => Err(failure.causes.join("; ")),
            };
            goldens.insert(golden, read);
        }
        let mut world = World::new(Timestamp::now(), installed.policies);
        world.live = true;
        world.installation = installation;
        world.goldens = all_goldens;
        world.goldens.extend(goldens.keys().cloned());
        let protected = Protected::new(
            world.goldens.clone(),
            world.policies.values(),
            &Services::default(),
        );
        let guarded: Vec<String> = protected.namespaces().cloned().collect();
        let all = [guarded.as_slice(), &[name.to_owned()]].concat();
        (
            (world.services, unseen.services),
            (world.fingerprints, unseen.secrets),
        ) = futures::join!(cluster.services(&all), cluster.fingerprints(&guarded));
        world
            .places
            .insert(name.to_owned(), Standing::Preview(Box::new(preview.clone())));
        let policy = world.policies.get(&preview.policy);
        let databases = policy.map(|policy| preview.branched(policy).into_owned());
        let mut branches = Vec::new();
        for database in databases.into_iter().flatten() {
            branches.push(Branch::look(cluster, name, database, authority).await);
        }
        let facts = facts(&mut world, &live, &catalogue);
        Ok(Sight {
            now: world.now,
            preview,
            live,
            goldens,
            catalogue,
            facts,
            unseen,
            branches,
        })
    }

    /// Its policy.
    pub fn policy(&self) -> Option<&PreviewPolicySpec> {
        self.facts.policy()
    }

    /// Every object in the preview as admission would be asked about it.
    pub fn subjects(&self) -> impl Iterator<Item = (Subject, &DynamicObject)> {
        self.live.objects.iter().map(|object| {
            let subject = Subject::new(json!(object), Some(&self.catalogue), &self.preview.name);
            (subject, object)
        })
    }

    /// Why nothing can be said of `kinds`, where they may not be listed.
    pub fn unread(&self, kinds: &[&str]) -> Vec<String> {
        let hidden = self.live.unreadable.iter();
        hidden
            .filter(|hidden| kinds.contains(&hidden.kind.as_str()))
            .map(|hidden| format!("{}: {}", hidden.kind, hidden.why))
            .collect()
    }

    /// How many objects of `kinds` there are.
    pub fn count(&self, kinds: &[&str]) -> usize {
        let kind = |object: &DynamicObject| {
            object
                .types
                .as_ref()
                .map(|types| types.kind.clone())
                .unwrap_or_default()
        };
        let objects = self.live.objects.iter();
        objects
            .filter(|object| kinds.contains(&kind(object).as_str()))
            .count()
    }
}

impl Branch {
    async fn look(cluster: &Cluster, namespace: &str, database: Database, authority: Option<&Trust>) -> Self {
        let secret = keys::branch_secret(&database.name);
        let login = match cluster.secret(namespace, &secret).await {
            Seen::There(data) => {
                Login::of(&data).ok_or_else(|| format!("Secret {secret} lacks a key of a branch's"))
            }
            Seen::Absent => Err(format!("there is no Secret {secret}")),
            hidden => Err(format!(
                "Secret {secret}: {}",
                hidden.obscured().unwrap_or_default()
            )),
        };
        let branch = &database.branch.postgres;
        let powers = match &login {
            Ok(login) => {
                let trust = match authority {
                    Some(trust) => trust.clone(),
                    None => {
                        let admin = &branch.admin_secret;
                        let read = cluster.secret(&admin.namespace, &admin.name).await;
                        read.there().map(Trust::of).unwrap_or_default()
                    }
                };
                login.powers(&trust, &branch.template).await
            }
            Err(why) => Err(why.clone()),
        };
        Branch {
            database,
            login,
            powers,
        }
    }
}

/// The goldens whose objects moved into the preview; every golden where it says of none.
fn made_of(namespace: &Namespace, preview: &Preview, all: &[String]) -> Vec<String> {
    let annotations = namespace.metadata.annotations.as_ref();
    let lineage = annotations.and_then(|all| serde_json::from_str::<Lineage>(all.get(keys::LINEAGE)?).ok());
    let others = lineage.map(|lineage| lineage.others).unwrap_or_default();
    let named: Vec<String> = preview.parent.iter().cloned().chain(others).collect();
    if named.is_empty() { all.to_vec() } else { named }
}

/// What a review of each object would know: the preview's own ConfigMaps and Secrets are those that were listed.
fn facts(world: &mut World, live: &Snapshot, catalogue: &Catalogue) -> Facts {
    let name = live.name();
    let subjects = live
        .objects
        .iter()
        .map(|object| Subject::new(json!(object), Some(catalogue), name));
    let subjects: Vec<Subject> = subjects.collect();
    let read = |subject: &&Subject| matches!(subject.object["kind"].as_str(), Some("ConfigMap" | "Secret"));
    subjects
        .iter()
        .filter(read)
        .for_each(|subject| world.learn(subject));
    let mut facts = world.facts(name);
    for subject in &subjects {
        let pod = pod_of(&subject.object).or_else(|| pod(&subject.object));
        for reference in pod.iter().flat_map(needs) {
            let listed = live.could_read(match reference.kind {
                Kind::ConfigMap => "ConfigMap",
                Kind::Secret => "Secret",
            });
            let missing = if listed { Fact::Absent } else { Fact::Unknown };
            facts.sources.entry(reference).or_insert(missing);
        }
    }
    facts
}

/// The request that would make a Pod again.
fn pod(object: &Value) -> Option<understudy::admission::Request> {
    (object["kind"] == "Pod").then(|| understudy::holding::creation(object))
}
