//! The plan: one verdict per object, the namespace, and the objects to make in waves.

use super::golden::{GoldenData, database_behind, selects};
use super::hosts::HostMap;
use super::kinds::{Treatment, is_never_made, treatment};
use super::lineage::{self, Lineage};
use super::mistake::Mistake;
use super::references::References;
use super::rewrite::{self, Context, Sums};
use super::sanitize::{Sanitizer, is_guardrail};
use super::snapshot::{Snapshot, Unreadable, group_of, kind_of, name_of};
use super::spec::{CloneSpec, Rules};
use super::survey::{self, controller};
use super::verdict::{Item, Verdict, Wave};
use super::{claims, namespace, review, secrets};
use crate::lease::{self, Lease};
use crate::names;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::DynamicObject;
use std::collections::{BTreeMap, BTreeSet};

/// What a clone consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The clone's namespace.
    pub namespace: Namespace,
    /// Every object of the golden with its verdict, by kind and name.
    pub items: Vec<Item>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// Kinds that could not be listed and might have been part of the clone.
    pub unreadable: Vec<Unreadable>,
    /// The clone's hosts, the main one first.
    pub hosts: Vec<String>,
    /// When its lease will end, counted from the time of planning.
    pub expires_at: Timestamp,
}

impl Plan {
    /// The clone's name.
    pub fn name(&self) -> &str {
        self.namespace.metadata.name.as_deref().unwrap_or_default()
    }

    /// What is refused; nothing is written as long as there is any.
    pub fn refusals(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.verdict == Verdict::Refuse)
    }

    /// The objects to make in `wave`.
    pub fn wave(&self, wave: Wave) -> impl Iterator<Item = &DynamicObject> {
        let made = self.items.iter().filter_map(|item| item.made.as_ref());
        made.filter(move |(when, _)| *when == wave)
            .map(|(_, object)| object.as_ref())
    }
}

/// Plans a clone of `snapshot`.
pub fn plan(
    snapshot: &Snapshot,
    spec: &CloneSpec,
    rules: Rules<'_>,
    now: Timestamp,
) -> Result<Plan, Vec<Mistake>> {
    let mut mistakes = check_name(spec);
    let lease = Lease::grant(now, spec.ttl, &rules.policy.lifetime).map_err(|_| Mistake::Ttl {
        asked: spec.ttl.map_or_else(String::new, |ttl| ttl.to_string()),
        policy: rules.policy_name.to_owned(),
        limits: Box::new(rules.policy.lifetime.clone()),
    });
    mistakes.extend(survey::check_images(snapshot, spec));
    let lease = match lease {
        Ok(lease) if mistakes.is_empty() => lease,
        Ok(_) => return Err(mistakes),
        Err(mistake) => {
            mistakes.push(mistake);
            return Err(mistakes);
        }
    };
    let clone = spec.name.as_str();
    let part = |kind: &str, name: &str| !spec.without.iter().any(|without| without.names(kind, name));
    let hosts = HostMap::new(snapshot, clone, rules.policy, part);
    let services = snapshot.of("Service").map(|service| name_of(service).to_owned());
    let left_out = snapshot
        .of("Service")
        .filter(|service| {
            !part("Service", name_of(service))
                || database_behind(&rules.policy.databases, snapshot.name(), service).is_some()
        })
        .map(|service| name_of(service).to_owned())
        .collect();
    let context = Context {
        golden: snapshot.name(),
        spec,
        policy_name: rules.policy_name,
        policy: rules.policy,
        data: &GoldenData::new(snapshot),
        references: &References::new(snapshot.name(), clone, services, hosts.texts()).without(left_out),
        hosts: &hosts,
        sanitizer: &Sanitizer::new(snapshot.name(), clone, &snapshot.objects),
        mounted: &survey::mounted(snapshot),
        autoscaled: &survey::autoscaled(snapshot, part),
    };
    let mut planner = Planner {
        snapshot,
        context: &context,
        sums: Sums::default(),
        warnings: Vec::new(),
        hashes: BTreeMap::new(),
    };
    let mut items = planner.items();
    let lineage = Lineage {
        golden: snapshot.name().to_owned(),
        at: lease::whole_seconds(now).to_string(),
        commit: spec.commit.clone(),
        images: planner.sums.images,
        objects: planner.hashes,
    };
    let namespace = namespace::manifest(&snapshot.golden, spec, rules.policy_name, lineage.text());
    let mut warnings = planner.warnings;
    warnings.extend(review::apply(&mut items, &namespace, rules, now));
    Ok(Plan {
        namespace,
        items,
        warnings,
        unreadable: snapshot
            .unreadable
            .iter()
            .filter(|kind| !is_never_made(&kind.kind))
            .cloned()
            .collect(),
        hosts: hosts.made.clone(),
        expires_at: lease.expires_at,
    })
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    context: &'a Context<'a>,
    sums: Sums,
    warnings: Vec<String>,
    hashes: BTreeMap<String, String>,
}

impl Planner<'_> {
    fn items(&mut self) -> Vec<Item> {
        let snapshot = self.snapshot;
        // Secrets last: what becomes of one depends on who uses it.
        let mut objects: Vec<_> = snapshot.objects.iter().collect();
        objects.sort_by_key(|object| (kind_of(object), name_of(object), group_of(object)));
        let (secret_objects, others): (Vec<_>, Vec<_>) = objects
            .into_iter()
            .partition(|object| kind_of(object) == "Secret" && group_of(object).is_empty());
        let mut items: Vec<Item> = others.into_iter().map(|object| self.item(object)).collect();
        items.extend(secret_objects.iter().map(|object| self.secret(object)));
        let known: BTreeSet<&str> = secret_objects.iter().map(|object| name_of(object)).collect();
        let used: Vec<String> = self.sums.usage.secrets().into_iter().map(str::to_owned).collect();
        for name in used.iter().filter(|name| !known.contains(name.as_str())) {
            items.push(self.unread_secret(name));
        }
        items.sort_by(|a, b| (&a.kind, &a.name, &a.api_version).cmp(&(&b.kind, &b.name, &b.api_version)));
        items
    }

    fn item(&mut self, object: &DynamicObject) -> Item {
        match self.outcome(object) {
            Ok(wave) => self.make(object, wave),
            Err(item) => *item,
        }
    }

    /// The wave that `object` is made in, or its verdict.
    fn outcome(&self, object: &DynamicObject) -> Result<Wave, Box<Item>> {
        let skip = |reason: String| Err(Box::new(Item::unmade(object, Verdict::Skip, reason)));
        let (group, kind, name) = (group_of(object), kind_of(object), name_of(object));
        if self
            .context
            .spec
            .without
            .iter()
            .any(|without| without.names(kind, name))
        {
            return skip("left out on request".to_owned());
        }
        if is_guardrail(object) {
            return skip("a guardrail: the policy makes the preview's own".to_owned());
        }
        if let Some((owner_kind, owner)) = controller(object) {
            return skip(format!("made by {owner_kind} {owner}"));
        }
        if let Some(reason) = self.belongs_elsewhere(object) {
            return skip(reason);
        }
        match treatment(group, kind) {
            Treatment::Make(wave) => Ok(wave),
            Treatment::Skip(reason) => skip(reason.to_owned()),
            Treatment::Refuse(why, remedy) => {
                let remedy = format!("{remedy}, or leave it out with --without {kind}/{name}");
                Err(Box::new(
                    Item::unmade(object, Verdict::Refuse, why).remedy(remedy),
                ))
            }
        }
    }

    /// Why an object of a known kind is not an environment's own.
    fn belongs_elsewhere(&self, object: &DynamicObject) -> Option<String> {
        let (kind, name, context) = (kind_of(object), name_of(object), self.context);
        let databases = &context.policy.databases;
        match kind {
            "ConfigMap" if rewrite::MADE_EVERYWHERE.contains(&name) => {
                Some("every namespace gets its own".to_owned())
            }
            "ServiceAccount" if name == "default" => Some("every namespace gets its own".to_owned()),
            "PersistentVolumeClaim" => {
                claims::maker(self.snapshot, name).map(|set| format!("StatefulSet {set} makes it again"))
            }
            "Service" => database_behind(databases, context.golden, object).map(|database| {
                format!(
                    "it leads to golden database {}; the preview has a branch of it",
                    database.name
                )
            }),
            "StatefulSet" | "Deployment" => self.snapshot.of("Service").find_map(|service| {
                let database = database_behind(databases, context.golden, service)?;
                selects(service, object).then(|| {
                    format!(
                        "it serves golden database {}; the preview has a branch of it",
                        database.name
                    )
                })
            }),
            _ => None,
        }
    }

    fn make(&mut self, object: &DynamicObject, wave: Wave) -> Item {
        let mut made = self.context.sanitizer.object(object);
        let hash = lineage::hash(&made);
        let notes = rewrite::rewrite(&mut made, self.context, &mut self.sums);
        if let Some(reason) = notes.skip {
            return Item::unmade(object, Verdict::Skip, reason);
        }
        let reason = match kind_of(object) {
            "Secret" => "the policy lists it for copying",
            _ => "without what identifies the original",
        };
        let mut item = Item::unmade(object, Verdict::Copy, reason);
        if !notes.refusals.is_empty() {
            let (why, remedies): (Vec<_>, Vec<_>) = notes.refusals.into_iter().unzip();
            item.verdict = Verdict::Refuse;
            item.reason = why.join("; ");
            return item.remedy(remedies.join("; "));
        }
        if !notes.changes.is_empty() {
            item.verdict = Verdict::Rewrite;
            item.reason = notes.changes.join("; ");
        }
        self.warnings.extend(notes.warnings);
        self.hashes.insert(item.id(), hash);
        item.made = Some((wave, Box::new(made)));
        item
    }

    fn secret(&mut self, object: &DynamicObject) -> Item {
        let name = name_of(object);
        if let Some(reason) = secrets::made_elsewhere(object) {
            return Item::unmade(object, Verdict::Skip, reason);
        }
        let copied = self
            .context
            .policy
            .secrets
            .copy
            .iter()
            .any(|copied| copied == name);
        if copied && !is_guardrail(object) {
            return self.make(object, Wave::Config);
        }
        let item = self
            .sums
            .usage
            .judge(object, self.context.policy_name, self.context.policy);
        match (item.verdict, controller(object)) {
            (Verdict::Skip, Some((kind, owner))) => {
                Item::unmade(object, Verdict::Skip, format!("made by {kind} {owner}"))
            }
            _ => item,
        }
    }

    /// A Secret that is referred to but was not read: its list was refused, or it is not there.
    fn unread_secret(&self, name: &str) -> Item {
        let mut item = self.sums.usage.judge(
            &secrets::unread(name),
            self.context.policy_name,
            self.context.policy,
        );
        if item.verdict == Verdict::Refuse {
            let why = if self.snapshot.could_read("Secret") {
                "it is not in the golden"
            } else {
                "it could not be read with your rights"
            };
            item.reason = format!("{}; {why}", item.reason);
            if self
                .context
                .policy
                .secrets
                .copy
                .iter()
                .any(|copied| copied == name)
            {
                item.reason = format!("the policy lists it for copying, but {why}");
                item.remedy = format!("kubectl --namespace {} get secret {name}", self.context.golden);
            }
        }
        item
    }
}

fn check_name(spec: &CloneSpec) -> Vec<Mistake> {
    let name = spec.name.as_str();
    let why = if !names::is_dns_label(name) {
        Some(
            "it must be 1 to 63 lower-case letters, digits and dashes, beginning and ending with a letter or digit",
        )
    } else if name.contains("--") {
        Some("a double dash separates a service from its preview in host names")
    } else if name.len() > names::PREVIEW {
        Some("it must leave room for host names: 47 characters at most")
    } else {
        None
    };
    why.map(|why| Mistake::Name {
        name: name.to_owned(),
        why,
    })
    .into_iter()
    .collect()
}
