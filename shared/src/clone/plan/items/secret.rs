//! Verdicts on Secrets: given, made again by something of the clone, copied by the policy, renewed, or refused by name.

use super::{Planner, known};
use crate::clone::sanitize::is_guardrail;
use crate::clone::secrets;
use crate::clone::snapshot::controller;
use crate::clone::snapshot::{kind_of, name_of};
use crate::clone::verdict::{Item, Verdict, Wave};
use crate::connection;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::core::DynamicObject;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

impl Planner<'_> {
    /// The verdict on a Secret that could be read; `items` are those of everything else.
    pub(super) fn secret(&mut self, object: &DynamicObject, items: &[Item]) -> Item {
        let (name, context) = (name_of(object), self.context);
        if let Some(given) = context.spec.secrets.get(name) {
            return given.item(name, &context.spec.name, Some(object));
        }
        if let Some(reason) = secrets::made_elsewhere(object) {
            return Item::unmade(object, Verdict::Skip, reason);
        }
        if let Some(maker) = self.maker(name, items) {
            return Item::unmade(
                object,
                Verdict::ReCreate,
                format!("ExternalSecret {maker} makes it"),
            );
        }
        if context.partial.is_some() && !self.sums.usage.is_used(name) {
            return Item::unmade(object, Verdict::Skip, "nothing of the clone uses it");
        }
        let collides = self
            .snapshot
            .collisions
            .contains(&("Secret".to_owned(), name.to_owned()));
        if collides && self.sums.usage.is_used(name) {
            return Item::unmade(
                object,
                Verdict::Refuse,
                "several goldens have one of this kind and name",
            )
            .remedy(format!(
                "clone these goldens apart, or give it with --secret {name}=FILE"
            ));
        }
        if let Some(item) = self.given_by_manifests(object) {
            return item;
        }
        if context.policy.secrets.copy.iter().any(|copied| copied == name) && !is_guardrail(object) {
            return match (context.leaves_out)(object) {
                Some(reason) => Item::unmade(object, Verdict::Skip, reason),
                None => self.make(object, Wave::Config),
            };
        }
        if context.policy.secrets.fans_out(name) {
            return Item::unmade(
                object,
                Verdict::ReCreate,
                "the policy gives every preview its own",
            );
        }
        if let Some(item) = self.renewed(object) {
            return item;
        }
        let item = self.sums.usage.judge(object, context.policy_name, context.policy);
        match (item.verdict, controller(object)) {
            (Verdict::Skip, Some((kind, owner))) => {
                Item::unmade(object, Verdict::Skip, format!("made by {kind} {owner}"))
            }
            _ => item,
        }
    }

    /// A Secret that stands in the manifests a clone is made of, where the clone uses it.
    fn given_by_manifests(&mut self, object: &DynamicObject) -> Option<Item> {
        if !self.snapshot.from_manifests || !self.sums.usage.is_used(name_of(object)) {
            return None;
        }
        if let Some(reason) = (self.context.leaves_out)(object) {
            return Some(Item::unmade(object, Verdict::Skip, reason));
        }
        let made = self.context.sanitizer.object(object);
        Some(self.carry_over(object, made, Wave::Config, "the manifests give it"))
    }

    /// Secrets that are given or referred to, of which no object was read: the list was refused, or there is none.
    pub(super) fn named_secrets(&self, items: &[Item]) -> Vec<Item> {
        let context = self.context;
        let known = known(items);
        let mut named = Vec::new();
        for (name, given) in &context.spec.secrets {
            if !known.contains(name.as_str()) {
                named.push(given.item(name, &context.spec.name, None));
            }
        }
        let used = self.sums.usage.secrets();
        let unread = used
            .into_iter()
            .filter(|name| !known.contains(name) && !context.spec.secrets.contains_key(*name));
        for name in unread {
            let stand_in = secrets::unread(name);
            named.push(match self.maker(name, items) {
                Some(maker) => Item::unmade(
                    &stand_in,
                    Verdict::ReCreate,
                    format!("ExternalSecret {maker} makes it"),
                ),
                None if context.policy.secrets.fans_out(name) => Item::unmade(
                    &stand_in,
                    Verdict::ReCreate,
                    "the policy gives every preview its own",
                ),
                None => self.unread_secret(name),
            });
        }
        named
    }

    /// The ExternalSecret of the clone that makes Secret `name`.
    fn maker<'i>(&self, name: &str, items: &'i [Item]) -> Option<&'i str> {
        items
            .iter()
            .filter_map(|item| item.made.as_ref())
            .map(|(_, object)| object.as_ref())
            .filter(|object| kind_of(object) == "ExternalSecret")
            .find(|object| secrets::target(object) == name)
            .map(name_of)
    }

    /// A Secret that was not read: its list was refused, or it is not there.
    fn unread_secret(&self, name: &str) -> Item {
        let context = self.context;
        let mut item = self
            .sums
            .usage
            .judge(&secrets::unread(name), context.policy_name, context.policy);
        if item.verdict == Verdict::Refuse {
            let why = if self.snapshot.could_read("Secret") {
                "it is not in the golden"
            } else {
                "it could not be read with your rights"
            };
            item.reason = format!("{}; {why}", item.reason);
            if context.policy.secrets.copy.iter().any(|copied| copied == name) {
                item.reason = format!("the policy lists it for copying, but {why}");
                item.remedy = format!("kubectl --namespace {} get secret {name}", context.golden);
            }
        }
        item
    }

    /// A Secret that holds a password of the environment's own: made again with a new one, where nothing else of it is
    /// secret and in use.
    fn renewed(&mut self, object: &DynamicObject) -> Option<Item> {
        let (name, context) = (name_of(object), self.context);
        if !self.sums.usage.is_used(name) {
            return None;
        }
        let (mut data, mut new, mut warnings) = (Map::new(), Vec::new(), BTreeSet::new());
        for (key, value) in context.data.secret(name)? {
            let renewal = context.credentials.renew(&format!("Secret/{name}/{key}"), value);
            let said = renewal.warnings.iter();
            warnings.extend(said.map(|why| format!("Secret/{name}: data[{key}] {why}")));
            let kept = if renewal.text.is_some() {
                new.push(key.as_str());
                renewal.text
            } else if context.credentials.is_identity(value) {
                Some(value.clone())
            } else {
                let branched = crate::clone::golden::meant(&context.policy.databases, value).is_some()
                    || connection::marked(&context.policy.databases, name, key).is_some();
                if !branched && self.sums.usage.needs(name, key) {
                    return None;
                }
                None
            };
            if let Some(value) = kept {
                data.insert(key.clone(), Value::String(BASE64_STANDARD.encode(value)));
            }
        }
        if new.is_empty() {
            return None;
        }
        let reason = format!(
            "a password of the environment's own: it is new in {}, the same wherever it is repeated",
            new.join(", ")
        );
        let mut made = context.sanitizer.object(object);
        made.data["data"] = Value::Object(data);
        let mut item = self.carry_over(object, made, Wave::Config, &reason);
        warnings.retain(|said| !self.warnings.contains(said));
        self.warnings.extend(warnings);
        if item.made.is_some() {
            item.verdict = Verdict::ReCreate;
            item.reason = reason;
        }
        Some(item)
    }
}
