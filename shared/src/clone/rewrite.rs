//! Rewriting one object, kind by kind: one file a kind, one table that says which.

mod autoscaler;
mod claim;
mod config_map;
mod cron_job;
mod custom;
mod external_secret;
mod identity;
mod ingress;
mod job;
mod pod;
mod role_binding;
mod route;
mod scaler;
mod secret;
mod service;
mod service_account;
mod workload;

use super::credentials::Credentials;
use super::golden::GoldenData;
use super::hosts::HostMap;
use super::partial::Partial;
use super::references::References;
use super::sanitize::Sanitizer;
use super::secrets::Usage;
use super::snapshot::{group_of, kind_of, name_of};
use super::spec::CloneSpec;
use crate::admission::is_vendors_group;
use crate::policy::PreviewPolicySpec;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use secret::in_base64;

/// Whether something puts `object` into every namespace.
pub(super) fn is_made_everywhere(object: &DynamicObject) -> bool {
    match kind_of(object) {
        "ConfigMap" => config_map::MADE_EVERYWHERE.contains(&name_of(object)),
        "ServiceAccount" => name_of(object) == "default",
        _ => false,
    }
}

/// What rewriting needs to know.
pub(super) struct Context<'a> {
    pub(super) golden: &'a str,
    pub(super) spec: &'a CloneSpec,
    pub(super) policy_name: &'a str,
    pub(super) policy: &'a PreviewPolicySpec,
    pub(super) data: &'a GoldenData,
    /// Why an object is not part of the clone on request.
    pub(super) leaves_out: &'a dyn Fn(&DynamicObject) -> Option<String>,
    /// Set where only what changed is cloned.
    pub(super) partial: Option<&'a Partial>,
    pub(super) references: &'a References,
    pub(super) hosts: &'a HostMap,
    pub(super) sanitizer: &'a Sanitizer,
    /// The environment's own passwords.
    pub(super) credentials: &'a Credentials,
    /// What the golden's default ServiceAccount pulls images by.
    pub(super) default_pull: Option<&'a Value>,
    /// ConfigMaps that some Pod mounts as files.
    pub(super) mounted: &'a BTreeSet<String>,
    /// `Kind/name` of what an autoscaler sizes.
    pub(super) autoscaled: &'a BTreeSet<String>,
    /// ServiceAccounts that Pods of the clone run as.
    pub(super) accounts: &'a BTreeSet<String>,
}

/// What rewriting one object came to.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What was changed, for people.
    pub(super) changes: Vec<String>,
    /// What somebody should look at.
    pub(super) warnings: Vec<String>,
    /// Why it cannot be made, and what to do about it.
    pub(super) refusals: Vec<(String, String)>,
    /// Why it is not part of the clone after all.
    pub(super) skip: Option<String>,
}

impl Notes {
    fn change(&mut self, what: impl Into<String>) {
        self.changes.push(what.into());
    }

    fn refuse(&mut self, why: impl Into<String>, remedy: impl Into<String>) {
        self.refusals.push((why.into(), remedy.into()));
    }
}

/// What all objects together add up to.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Which Secrets are used, and which are not any more.
    pub(super) usage: Usage,
    /// `workload/container` → image of the clone.
    pub(super) images: BTreeMap<String, String>,
}

/// Rewrites `object`, which is sanitised already.
pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums) -> Notes {
    let mut notes = Notes::default();
    let notes_ref = &mut notes;
    if is_vendors_group(group_of(object)) {
        match kind_of(object) {
            "HTTPRoute" | "GRPCRoute" | "TLSRoute" => route::rewrite(object, context, notes_ref),
            "ExternalSecret" => external_secret::rewrite(object, context, notes_ref),
            "ScaledObject" | "ScaledJob" => scaler::rewrite(object, context, sums, notes_ref),
            _ => custom::rewrite(object, context, sums, notes_ref),
        }
        refer(object, context, notes_ref);
        return notes;
    }
    match kind_of(object) {
        "Deployment" | "StatefulSet" => workload::rewrite(object, context, sums, notes_ref),
        "CronJob" => cron_job::rewrite(object, context, sums, notes_ref),
        "Job" => job::rewrite(object, context, sums, notes_ref),
        "HorizontalPodAutoscaler" => autoscaler::rewrite(object, context, notes_ref),
        "Service" => service::rewrite(object, context, notes_ref),
        "Ingress" => ingress::rewrite(object, context, sums, notes_ref),
        "ConfigMap" => config_map::rewrite(object, context, notes_ref),
        "Secret" => secret::rewrite(object, context, notes_ref),
        "PersistentVolumeClaim" => claim::rewrite(object, notes_ref),
        "ServiceAccount" => service_account::rewrite(object, context, sums, notes_ref),
        "RoleBinding" => role_binding::rewrite(object, context, notes_ref),
        _ => {}
    }
    refer(object, context, notes_ref);
    notes
}

/// Rewrites what refers to the golden, wherever it stands.
fn refer(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let mut found = super::references::Found::default();
    let id = format!("{}/{}", kind_of(object), name_of(object));
    if kind_of(object) != "Secret" {
        let (renewed, warnings) = context.credentials.walk(&id, &mut object.data);
        if renewed {
            notes.change("the environment's own passwords are new");
        }
        notes.warnings.extend(warnings);
        let outside = super::outside::passwords((&object.data, ""), name_of(object), context);
        let outside = outside
            .iter()
            .map(|(path, host)| (path, super::outside::remedy(host)));
        notes
            .warnings
            .extend(outside.map(|(path, why)| format!("{id}: {path} {why}")));
        context.references.walk(&mut object.data, "", &mut found);
    }
    for (key, value) in object.metadata.annotations.iter_mut().flatten() {
        context
            .references
            .place(value, &format!("metadata.annotations[{key}]"), &mut found);
    }
    if !found.rewritten.is_empty() {
        let places = found.rewritten.len();
        let s = if places == 1 { "" } else { "s" };
        notes.change(format!(
            "{places} reference{s} to {} now mean{} the clone",
            context.golden,
            if places == 1 { "s" } else { "" }
        ));
    }
    notes.warnings.extend(found.dangling.into_iter().map(|(path, token)| {
        format!("{id}: {path} held {token:?}, a Service that is no part of the clone; what uses it will not reach anything")
    }));
    notes
        .warnings
        .extend(found.doubtful.into_iter().map(|(path, token)| {
            format!(
                "{id}: {path} holds {token:?}, which looks like a reference to {} and was left as it is",
                context.golden
            )
        }));
    let outside = found.outside.iter();
    notes
        .warnings
        .extend(outside.map(|host| format!("{id}: {} holds {:?}, {}", host.path, host.name, host.what())));
}
