//! The plan: one verdict per object, the namespace, and the objects to make in waves.

mod items;

use super::credentials::Credentials;
use super::golden::{GoldenData, database_behind};
use super::hosts::{GoldenHosts, HostMap};
use super::kinds::is_never_made;
use super::lineage::Lineage;
use super::mistake::Mistake;
use super::partial::Partial;
use super::preflight::{self, Shortage};
use super::references::References;
use super::rewrite::Context;
use super::sanitize::Sanitizer;
use super::selection::Pattern;
use super::snapshot::{Snapshot, Unreadable, group_of, name_of};
use super::spec::{CloneSpec, Rules};
use super::survey;
use super::templates::pod_templates;
use super::variables::PlannedVariable;
use super::verdict::{Item, Verdict, Wave};
use super::{missing, namespace, own, review};
use crate::admission::is_vendors_group;
use crate::lease::{self, Lease};
use crate::names;
use crate::routes::{GatewayName, Routes};
use items::Planner;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::DynamicObject;
use std::collections::BTreeSet;

/// What a clone consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The clone's namespace.
    pub namespace: Namespace,
    /// Every object of the golden with its verdict, by kind and name.
    pub items: Vec<Item>,
    /// Every variable of every container that is made.
    pub variables: Vec<PlannedVariable>,
    /// Whether passwords were derived from the seed, which has to be kept then.
    pub uses_seed: bool,
    /// What does not fit the policy's quota; nothing is written as long as more than a rollout is short of it.
    pub shortages: Vec<Shortage>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// Kinds that could not be listed and might have been part of the clone.
    pub unreadable: Vec<Unreadable>,
    /// The clone's hosts, the main one first.
    pub hosts: Vec<String>,
    /// When its lease will end, counted from the time of planning.
    pub expires_at: Timestamp,
    golden_hosts: GoldenHosts,
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

    /// `Kind/name` of the workloads of other vendors' kinds, which only their operators know all about.
    pub fn operated(&self) -> Vec<String> {
        let made = self.items.iter().filter(|item| {
            let object = item.made.as_ref().map(|(_, object)| object.as_ref());
            object
                .is_some_and(|made| is_vendors_group(group_of(made)) && pod_templates(made).next().is_some())
        });
        made.map(Item::id).collect()
    }

    /// Whether the golden is reached by `host`, in lower case.
    pub fn is_golden_host(&self, host: &str) -> bool {
        self.golden_hosts.above(host).is_some()
    }

    /// The Gateways whose listeners decide by which scheme the main host is reached.
    pub fn gateways(&self) -> BTreeSet<GatewayName> {
        let main = self.hosts.first();
        main.map_or_else(BTreeSet::new, |main| self.routes().gateways(main))
    }

    /// Where a reviewer clicks; `gateways` are those that could be read.
    pub fn url(&self, gateways: &[DynamicObject]) -> Option<String> {
        Some(self.routes().url(self.hosts.first()?, gateways))
    }

    fn routes(&self) -> Routes<'_> {
        Routes::new(self.wave(Wave::Routes))
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
    mistakes.extend(survey::check(snapshot, spec));
    let partial = (!spec.changed.is_empty()).then(|| Partial::new(snapshot, &spec.changed, rules.policy));
    let partial = partial.transpose().unwrap_or_else(|unknown| {
        mistakes.extend(unknown);
        None
    });
    let lease = match lease {
        Ok(lease) if mistakes.is_empty() => lease,
        Ok(_) => return Err(mistakes),
        Err(mistake) => {
            mistakes.push(mistake);
            return Err(mistakes);
        }
    };
    let clone = spec.name.as_str();
    let leaves_out = |object: &DynamicObject| {
        let partial = partial.as_ref();
        spec.selection
            .leaves_out(object)
            .or_else(|| partial?.leaves_out(object, rules.policy_name))
    };
    let part = |object: &DynamicObject| leaves_out(object).is_none();
    let hosts = HostMap::new(snapshot, clone, rules.policy, part);
    let services = snapshot.of("Service").map(|service| name_of(service).to_owned());
    let left_out = snapshot
        .of("Service")
        .filter(|service| {
            !part(service) || database_behind(&rules.policy.databases, snapshot.name(), service).is_some()
        })
        .map(|service| name_of(service).to_owned())
        .collect();
    let data = GoldenData::new(snapshot);
    let credentials = Credentials::find(snapshot, &data, rules.policy, spec, &leaves_out);
    let context = Context {
        golden: snapshot.name(),
        spec,
        policy_name: rules.policy_name,
        policy: rules.policy,
        data: &data,
        leaves_out: &leaves_out,
        partial: partial.as_ref(),
        credentials: &credentials,
        references: &References::new(snapshot.name(), clone, services, hosts.texts()).without(left_out),
        hosts: &hosts,
        sanitizer: &Sanitizer::new(snapshot.name(), clone, &snapshot.objects),
        default_pull: survey::default_pull(snapshot),
        mounted: &survey::mounted(snapshot),
        autoscaled: &survey::autoscaled(snapshot, part),
        accounts: &survey::accounts(snapshot, part),
    };
    let mut planner = Planner::new(snapshot, &context);
    let mut items = planner.items();
    let lineage = Lineage {
        golden: snapshot.name().to_owned(),
        others: snapshot.others(),
        from_manifests: snapshot.from_manifests,
        only: texts(&spec.selection.only),
        selector: texts(&spec.selection.selector),
        exclude: texts(&spec.selection.exclude),
        changed: spec.changed.clone(),
        at: lease::whole_seconds(now).to_string(),
        commit: spec.commit.clone(),
        images: std::mem::take(&mut planner.sums.images),
        objects: std::mem::take(&mut planner.hashes),
    };
    let namespace = namespace::manifest(&snapshot.golden, spec, rules.policy_name, lineage.text());
    let variables = planner.variables(&items);
    own::mark(&mut items, snapshot, spec);
    let mut warnings = planner.warnings;
    warnings.extend(review::apply(&mut items, snapshot, &namespace, rules, now));
    warnings.extend(missing::warnings(&items, snapshot, clone));
    let made = items.iter().filter_map(|item| item.made.as_ref());
    let shortages = preflight::shortages(made.map(|(_, object)| object.as_ref()), rules.policy);
    Ok(Plan {
        namespace,
        shortages,
        items,
        variables,
        uses_seed: !credentials.is_empty(),
        warnings,
        unreadable: snapshot
            .unreadable
            .iter()
            .filter(|kind| !is_never_made(&kind.kind))
            .cloned()
            .collect(),
        golden_hosts: hosts.texts().golden,
        hosts: hosts.made.clone(),
        expires_at: lease.expires_at,
    })
}

fn texts(patterns: &[Pattern]) -> Vec<String> {
    patterns.iter().map(Pattern::to_string).collect()
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
