//! Volume claims: the same size and class, empty.

use super::Notes;
use kube::core::DynamicObject;
use serde_json::Value;

pub(super) fn rewrite(object: &mut DynamicObject, notes: &mut Notes) {
    empty(&mut object.data, notes);
    notes.change("it comes up empty");
}

/// Takes the binding to the golden's volume, and whatever it was filled from, out of a claim.
pub(super) fn empty(claim: &mut Value, notes: &mut Notes) {
    let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    spec.remove("volumeName");
    let sources = ["dataSource", "dataSourceRef"].map(|field| spec.remove(field));
    if sources.iter().any(Option::is_some) {
        notes.change("the golden's data source is dropped");
    }
}
