//! Endpoints: what the control plane makes of a Service's selector, and what somebody wrote by hand.

use super::snapshot::{Snapshot, kind_of, name_of};
use kube::core::DynamicObject;
use serde_json::Value;

/// The Service without a selector that `object` holds addresses for: nobody makes them again.
/// Source: <https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors>.
pub(super) fn written_for<'s>(snapshot: &'s Snapshot, object: &DynamicObject) -> Option<&'s str> {
    let named = match kind_of(object) {
        "Endpoints" => name_of(object),
        "EndpointSlice" => object
            .metadata
            .labels
            .as_ref()?
            .get("kubernetes.io/service-name")?,
        _ => return None,
    };
    let service = snapshot.of("Service").find(|service| name_of(service) == named)?;
    let selector = service.data.pointer("/spec/selector").and_then(Value::as_object);
    selector
        .is_none_or(|selector| selector.is_empty())
        .then(|| name_of(service))
}
