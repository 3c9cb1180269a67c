//! Giving each object of the golden its verdict.

mod secret;

use crate::clone::golden::{database_behind, selects};
use crate::clone::kinds::{Treatment, treatment};
use crate::clone::rewrite::{self, Context, Sums};
use crate::clone::sanitize::{self, is_guardrail};
use crate::clone::snapshot::controller;
use crate::clone::snapshot::{Snapshot, group_of, is_same, kind_of, name_of};
use crate::clone::templates;
use crate::clone::variables::{self, PlannedVariable};
use crate::clone::verdict::{Item, Verdict, Wave};
use crate::clone::{claims, endpoints, golden, lineage, partial, secrets};
use kube::core::DynamicObject;
use std::collections::{BTreeMap, BTreeSet};

/// Gives each object its verdict.
pub(super) struct Planner<'a> {
    snapshot: &'a Snapshot,
    context: &'a Context<'a>,
    pub(super) sums: Sums,
    pub(super) warnings: Vec<String>,
    pub(super) hashes: BTreeMap<String, String>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, context: &'a Context<'a>) -> Self {
        Planner {
            snapshot,
            context,
            sums: Sums::default(),
            warnings: Vec::new(),
            hashes: BTreeMap::new(),
        }
    }

    pub(super) fn items(&mut self) -> Vec<Item> {
        let mut objects: Vec<_> = self.snapshot.objects.iter().collect();
        objects.sort_by_key(|object| (kind_of(object), name_of(object), group_of(object)));
        // Secrets last: what becomes of one depends on who uses it. Before them what makes Secrets.
        let turn = |object: &&DynamicObject| match (group_of(object), kind_of(object)) {
            ("", "Secret") => 2,
            ("external-secrets.io", "ExternalSecret") => 1,
            _ => 0,
        };
        objects.sort_by_key(turn);
        let mut items: Vec<Item> = Vec::with_capacity(objects.len());
        for object in objects {
            let item = match turn(&object) {
                2 => self.secret(object, &items),
                _ => self.item(object),
            };
            items.push(item);
        }
        let named = self.named_secrets(&items);
        items.extend(named);
        self.orphans(&items);
        self.unanswered(&items);
        items.sort_by(|a, b| (&a.kind, &a.name, &a.api_version).cmp(&(&b.kind, &b.name, &b.api_version)));
        items
    }

    fn item(&mut self, object: &DynamicObject) -> Item {
        match self.outcome(object) {
            Ok(wave) if self.context.partial.is_some_and(|partial| partial.shares(object)) => {
                let golden = partial::golden_of(object, self.context.golden);
                let alias = partial::alias(object, golden, &self.context.spec.name);
                let reason = format!(
                    "it leads to the one of {golden}, which policy {} shares",
                    self.context.policy_name
                );
                let mut item = Item::unmade(object, Verdict::Rewrite, reason);
                item.made = Some((wave, Box::new(alias)));
                item
            }
            Ok(wave) => self.make(object, wave),
            Err(item) => *item,
        }
    }

    /// The wave that `object` is made in, or its verdict.
    fn outcome(&self, object: &DynamicObject) -> Result<Wave, Box<Item>> {
        let skip = |reason: String| Err(Box::new(Item::unmade(object, Verdict::Skip, reason)));
        let (group, kind, name) = (group_of(object), kind_of(object), name_of(object));
        if let Some(reason) = (self.context.leaves_out)(object) {
            return skip(reason);
        }
        if is_guardrail(object) {
            return skip("a guardrail: the policy makes the preview's own".to_owned());
        }
        if object.metadata.deletion_timestamp.is_some() {
            return skip("it is being deleted".to_owned());
        }
        if let Some(hook) = sanitize::hook_of_another_time(object) {
            return skip(format!(
                "a hook that runs on {hook}, not when an environment comes up"
            ));
        }
        if let Some(reason) = self.belongs_elsewhere(object) {
            return skip(reason);
        }
        if let Some((owner_kind, owner)) = controller(object) {
            return skip(format!("made by {owner_kind} {owner}"));
        }
        let refuse = |why: String, remedy: String| {
            let mut item = Item::unmade(object, Verdict::Refuse, "");
            item.refuse(why, [remedy]);
            Err(Box::new(item))
        };
        if let Some(reason) = self.brought_otherwise(object) {
            return skip(reason);
        }
        let types = object.types.clone().unwrap_or_default();
        if self
            .snapshot
            .cluster_wide
            .contains(&(types.api_version, types.kind))
        {
            return skip("it belongs to the whole cluster, and a clone is one namespace".to_owned());
        }
        if self
            .snapshot
            .collisions
            .contains(&(kind.to_owned(), name.to_owned()))
        {
            return refuse(
                "several goldens have one of this kind and name".to_owned(),
                "clone these goldens apart".to_owned(),
            );
        }
        match treatment(group, kind, self.context.policy) {
            Treatment::Make(wave) => Ok(wave),
            Treatment::Skip(reason) | Treatment::SkipUnlessListed(_, reason) => skip(reason.to_owned()),
            Treatment::Refuse(why, remedy) => refuse(why.to_owned(), remedy.to_owned()),
            Treatment::Unlisted => refuse(
                format!(
                    "policy {} does not list this kind of another vendor",
                    self.context.policy_name
                ),
                format!(
                    "have an administrator add {group}/{kind} to spec.kinds of PreviewPolicy {}",
                    self.context.policy_name
                ),
            ),
        }
    }

    /// Why what makes a Secret in the golden need not make it in the clone.
    fn brought_otherwise(&self, object: &DynamicObject) -> Option<String> {
        let secret = match (group_of(object), kind_of(object)) {
            ("external-secrets.io", "ExternalSecret") => secrets::target(object),
            ("bitnami.com", "SealedSecret") => name_of(object),
            _ => return None,
        };
        let (spec, secrets) = (self.context.spec, &self.context.policy.secrets);
        if spec.secrets.contains_key(secret) {
            Some(format!("its Secret {secret} is given with --secret"))
        } else if secrets.fans_out(secret) {
            Some(format!("the policy gives every preview its own {secret}"))
        } else if secrets.copy.iter().any(|copied| copied == secret) {
            Some(format!("the policy lists its Secret {secret} for copying"))
        } else {
            None
        }
    }

    /// Why an object of a known kind is not an environment's own.
    fn belongs_elsewhere(&self, object: &DynamicObject) -> Option<String> {
        let (kind, name, context) = (kind_of(object), name_of(object), self.context);
        let databases = &context.policy.databases;
        if rewrite::is_made_everywhere(object) {
            return Some("every namespace gets its own".to_owned());
        }
        match kind {
            "Endpoints" | "EndpointSlice" => endpoints::written_for(self.snapshot, object).map(|service| {
                format!("somebody wrote the addresses of Service {service}; whose they are cannot be told")
            }),
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
        let made = self.context.sanitizer.object(object);
        let reason = match kind_of(object) {
            "Secret" => "the policy lists it for copying",
            _ => "without what identifies the original",
        };
        self.carry_over(object, made, wave, reason)
    }

    /// The item of `object` that becomes `made`, once that is rewritten.
    fn carry_over(
        &mut self,
        object: &DynamicObject,
        mut made: DynamicObject,
        wave: Wave,
        reason: &str,
    ) -> Item {
        let hash = lineage::hash(&made);
        let notes = rewrite::rewrite(&mut made, self.context, &mut self.sums);
        if let Some(reason) = notes.skip {
            return Item::unmade(object, Verdict::Skip, reason);
        }
        let mut item = Item::unmade(object, Verdict::Copy, reason);
        if !notes.refusals.is_empty() {
            let (why, remedies): (Vec<String>, Vec<String>) = notes.refusals.into_iter().unzip();
            item.refuse(why.join("; "), remedies);
            return item;
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

    /// What somebody else makes in the golden, while nobody will in the clone, is said.
    fn orphans(&mut self, items: &[Item]) {
        let is_left_out = |kind: &str, name: &str| {
            items
                .iter()
                .filter(|item| item.kind == kind && item.name == name)
                .all(|item| item.made.is_none() && item.verdict == Verdict::Skip)
        };
        for object in &self.snapshot.objects {
            let Some((kind, name)) = controller(object) else {
                continue;
            };
            let treatment = treatment(group_of(object), kind_of(object), self.context.policy);
            let wanted = matches!(treatment, Treatment::Make(_)) && kind_of(object) != "Secret";
            let asked_for = (self.context.leaves_out)(object).is_none();
            let replaced = self.belongs_elsewhere(object).is_some();
            if wanted && asked_for && !replaced && is_left_out(kind, name) {
                self.warnings.push(format!(
                    "{}/{}: {kind} {name} makes it in the golden, and is no part of the clone",
                    kind_of(object),
                    name_of(object)
                ));
            }
        }
    }

    /// A Service whose addresses somebody wrote in the golden has none in the clone.
    fn unanswered(&mut self, items: &[Item]) {
        let objects = self.snapshot.objects.iter();
        let services: BTreeSet<&str> = objects
            .filter_map(|object| endpoints::written_for(self.snapshot, object))
            .collect();
        let made = items
            .iter()
            .filter(|item| item.kind == "Service" && item.made.is_some());
        let unanswered = made.filter(|item| services.contains(item.name.as_str()));
        self.warnings.extend(unanswered.map(|item| {
            format!(
                "{}: somebody wrote its addresses in the golden, and nobody will in the clone; what calls it will not reach anything",
                item.id()
            )
        }));
    }

    /// Every variable of what is made, beside the golden's.
    pub(super) fn variables(&self, items: &[Item]) -> Vec<PlannedVariable> {
        let made: Vec<&DynamicObject> = items
            .iter()
            .filter_map(|item| item.made.as_ref())
            .map(|(_, object)| object.as_ref())
            .collect();
        let clone = golden::GoldenData::of(made.iter().copied(), self.context.golden);
        let mut planned = Vec::new();
        let originals = self.snapshot.objects.iter();
        for original in originals.filter(|original| controller(original).is_none()) {
            let places = templates::places(original);
            if places.is_empty() {
                continue;
            }
            let Some(object) = made.iter().find(|object| is_same(object, original)) else {
                continue;
            };
            for place in places {
                let [before, now] = [original, object].map(|object| object.data.pointer(&place));
                let (Some(before), Some(now)) = (before, now) else {
                    continue;
                };
                planned.extend(variables::plan(
                    (before, self.context.data),
                    (now, &clone),
                    object,
                    &self.context.spec.variables,
                ));
            }
        }
        planned.sort();
        planned
    }
}

/// Secrets that `items` name already.
fn known(items: &[Item]) -> BTreeSet<&str> {
    let secrets = items.iter().filter(|item| item.kind == "Secret");
    secrets.map(|item| item.name.as_str()).collect()
}
