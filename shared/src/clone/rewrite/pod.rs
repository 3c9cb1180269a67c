//! Pod templates: marks, images, variables, Secrets in use, and what no preview's Pod may ask for.

use super::{Context, Notes, Sums, identity};
use crate::clone::databases;
use crate::clone::secrets::Usage;
use crate::clone::snapshot::list;
use crate::clone::templates::{containers, containers_mut};
use crate::clone::variables;
use crate::policy::PodSecurity;
use serde_json::Value;

pub(super) fn rewrite(
    template: &mut Value,
    workload: &str,
    by: &str,
    context: &Context<'_>,
    sums: &mut Sums,
    notes: &mut Notes,
) {
    if let Some(metadata) = template.get_mut("metadata") {
        context.sanitizer.template_metadata(metadata);
    }
    identity::drop_from(template, notes);
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("nodeName");
    }
    pull(template, context, notes);
    images(template, workload, context, sums, notes);
    notes
        .changes
        .extend(variables::set(template, workload, &context.spec.variables));
    let branched = databases::branch(template, by, context.policy, context.data, &mut sums.usage);
    notes.changes.extend(branched.done);
    notes.refusals.extend(branched.outside);
    count(template, by, &mut sums.usage);
    privileges(template, context, notes);
    if let Some(resource) = crate::guardrails::exceeded(template, &context.policy.limits) {
        notes.refuse(
            format!(
                "a container asks for more {resource} than limits.max of policy {} allows",
                context.policy_name
            ),
            format!("ask for less there, or raise spec.limits.max[{resource}]"),
        );
    }
}

/// Pods pull by the policy's Secrets, where the golden's pull by its own; those of the golden's default ServiceAccount are
/// written out, since the clone's has none.
fn pull(template: &mut Value, context: &Context<'_>, notes: &mut Notes) {
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let has = |value: Option<&Value>| {
        value
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    let by_default = spec
        .get("serviceAccountName")
        .and_then(Value::as_str)
        .is_none_or(|account| account == "default");
    let inherited = context.default_pull.filter(|_| by_default);
    if !has(spec.get("imagePullSecrets")) {
        let Some(inherited) = inherited else { return };
        spec.insert("imagePullSecrets".to_owned(), inherited.clone());
    }
    if let Some(own) = context.policy.secrets.pull_references() {
        spec.insert("imagePullSecrets".to_owned(), own);
        notes.change("its images are pulled by the policy's Secrets");
    }
}

fn images(template: &mut Value, workload: &str, context: &Context<'_>, sums: &mut Sums, notes: &mut Notes) {
    let single = containers(template).count() == 1;
    for container in containers_mut(template) {
        let name = container
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let image = container
            .get("image")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let wanted = context.spec.images.iter();
        let new = wanted
            .filter_map(|new| Some((new.means(workload, &name, single, &image)?, new)))
            .max_by_key(|(exact, _)| *exact)
            .map(|(_, new)| new);
        let image = match new {
            Some(new) => {
                if new.image != image {
                    container["image"] = Value::String(new.image.clone());
                    notes.change(format!("{name} runs {}", new.image));
                }
                new.image.clone()
            }
            None => image,
        };
        if !image.is_empty() {
            sums.images.insert(format!("{workload}/{name}"), image);
        }
    }
}

/// Secrets that the Pod itself refers to; those of its variables are counted where these are planned.
fn count(template: &Value, by: &str, usage: &mut Usage) {
    let text = |value: &Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    for volume in list(template, "/spec/volumes") {
        let name = text(volume, "/name");
        let projected = volume
            .pointer("/projected/sources")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let projected = projected.map(|source| text(source, "/secret/name"));
        // Drivers name the Secret in a field of their own.
        let own = [
            "/secret/secretName",
            "/csi/nodePublishSecretRef/name",
            "/rbd/secretRef/name",
            "/cephfs/secretRef/name",
        ];
        for secret in own
            .into_iter()
            .map(|pointer| text(volume, pointer))
            .chain(projected)
        {
            usage.uses(&secret, None, format!("{by}, volume {name}"));
        }
    }
    for reference in list(template, "/spec/imagePullSecrets") {
        usage.uses(
            &text(reference, "/name"),
            None,
            format!("{by}, to pull its images"),
        );
    }
}

/// What the policy's Pod Security level refuses anyway, said before anything is written.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline>.
fn privileges(template: &Value, context: &Context<'_>, notes: &mut Notes) {
    if context.policy.pod_security == PodSecurity::Privileged {
        return;
    }
    let on = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
    let mut asks = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if on(template, &format!("/spec/{field}")) {
            asks.push(field.to_owned());
        }
    }
    let volumes = template
        .pointer("/spec/volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    asks.extend(
        volumes
            .filter(|volume| volume.get("hostPath").is_some())
            .map(|volume| {
                format!(
                    "hostPath in volume {}",
                    volume.get("name").and_then(Value::as_str).unwrap_or_default()
                )
            }),
    );
    for container in containers(template) {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
        if on(container, "/securityContext/privileged") {
            asks.push(format!("privileged in container {name}"));
        }
        let ports = container
            .get("ports")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        if ports.into_iter().any(|port| {
            port.get("hostPort")
                .and_then(Value::as_i64)
                .is_some_and(|port| port > 0)
        }) {
            asks.push(format!("hostPort in container {name}"));
        }
    }
    if !asks.is_empty() {
        notes.refuse(
            format!(
                "it asks for {}, which the Pod Security level {} of policy {} refuses",
                asks.join(", "),
                context.policy.pod_security.level(),
                context.policy_name
            ),
            "",
        );
    }
}
