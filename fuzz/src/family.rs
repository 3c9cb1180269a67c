//! Connections in several variables, as a container has them: pointed at branches once, they need it no more.

use crate::SECRET;
use crate::stage::{FACTS, PREVIEW};
use serde_json::{Value, json};
use understudy::admission::{Decision, Request, User, review, validate};
use understudy::branching;
use understudy::connection::split;
use understudy::environment::{self, Variable};

/// Variables, one a line: `NAME=value`, or `NAME<kind/name/key` for one that stands elsewhere, or `prefix*kind/name`.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let container = container(text);
    let facts = &FACTS[0];
    let pod = json!({ "metadata": { "name": "web" }, "spec": { "containers": [container] } });
    let databases = &facts.policies["default"].databases;
    let resolved = environment::resolve(&pod, &container, facts);
    let variables: Vec<&Variable> = resolved.effective().collect();
    let meant = split::meant(&variables, databases);
    assert!(meant.becomes.keys().all(|at| *at < variables.len()));
    for (name, _, _) in &meant.added {
        assert!(
            variables.iter().all(|one| one.name != *name),
            "{name} is there already"
        );
    }

    let plan = branching::plan(&container, &resolved, databases);
    let mut branched = container.clone();
    plan.apply(&mut branched);
    let known = text.contains(SECRET);
    assert!(known || !branched.to_string().contains(SECRET), "{branched}");
    let shadowed = !branching::shadows(&container, databases).is_empty();
    let again = environment::resolve(&pod, &branched, facts);
    let more = branching::plan(&branched, &again, databases);
    assert!(
        shadowed || more.is_empty(),
        "{container}\nbecame {branched}\nand then {more:?}"
    );

    // Admission does the same.
    let user = User {
        name: "dev".to_owned(),
        groups: Vec::new(),
    };
    let request = Request {
        namespace: PREVIEW.to_owned(),
        ..Request::creation(pod, "pods", user)
    };
    if let Decision::Patch { operations, .. } = review(&request, facts) {
        let mut object = request.object.clone();
        json_patch::patch(&mut object, &operations).expect("a patch applies");
        let again = Request { object, ..request };
        let validated = validate(&again, facts);
        assert!(
            matches!(validated, Decision::Allow { .. }),
            "{validated:?}\n{}",
            again.object
        );
    }
}

fn container(text: &str) -> Value {
    let (mut env, mut from) = (Vec::new(), Vec::new());
    for line in text.lines().take(32) {
        if let Some((name, value)) = line.split_once('=') {
            env.push(json!({ "name": name, "value": value }));
        } else if let Some((name, source)) = line.split_once('<') {
            let mut parts = source.splitn(3, '/');
            let kind = if parts.next() == Some("secret") {
                "secretKeyRef"
            } else {
                "configMapKeyRef"
            };
            let (source, key) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            env.push(json!({ "name": name, "valueFrom": { kind: { "name": source, "key": key } } }));
        } else if let Some((prefix, source)) = line.split_once('*') {
            let (kind, source) = source.split_once('/').unwrap_or(("config", source));
            let kind = if kind == "secret" {
                "secretRef"
            } else {
                "configMapRef"
            };
            from.push(json!({ "prefix": prefix, kind: { "name": source } }));
        }
    }
    json!({ "name": "main", "env": env, "envFrom": from })
}
