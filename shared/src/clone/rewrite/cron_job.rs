//! CronJobs: suspended, since they mail customers, charge cards and clean up what is not theirs. The policy may let them run.

use super::{Context, Notes, Sums, job, pod};
use crate::policy::CronJobs;
use kube::core::DynamicObject;
use serde_json::{Value, json};

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let (by, name) = (
        format!("CronJob/{}", super::name_of(object)),
        super::name_of(object).to_owned(),
    );
    let spec = object.data.get_mut("spec").and_then(Value::as_object_mut);
    if let Some(spec) = spec.filter(|_| context.policy.quarantine.cron_jobs == CronJobs::Suspend) {
        if spec.get("suspend") != Some(&json!(true)) {
            notes.change("it is suspended");
        }
        spec.insert("suspend".to_owned(), json!(true));
    }
    if let Some(metadata) = object.data.pointer_mut("/spec/jobTemplate/metadata") {
        context.sanitizer.template_metadata(metadata);
    }
    if let Some(spec) = object.data.pointer_mut("/spec/jobTemplate/spec") {
        job::release(spec);
        if let Some(template) = spec.get_mut("template") {
            pod::rewrite(template, &name, &by, context, sums, notes);
        }
    }
}
