//! Manifests as they are written: YAML documents, JSON, and lists of objects.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// Every object of `text`, in order. An error never shows what stands in the text, which may be a Secret.
pub fn objects(text: &str) -> Result<Vec<Value>, String> {
    // Whole goldens come in one text. What aliases may make of it stays limited.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: usize::MAX,
            max_events: usize::MAX,
            max_nodes: usize::MAX,
        },
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|_| "it is neither YAML nor JSON".to_owned())?;
    let mut objects = Vec::new();
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        flatten(document, &mut objects)?;
    }
    Ok(objects)
}

fn flatten(mut object: Value, found: &mut Vec<Value>) -> Result<(), String> {
    let text = |key: &str| object[key].as_str().filter(|text| !text.is_empty());
    let (Some(_), Some(kind)) = (text("apiVersion"), text("kind")) else {
        return Err("it holds what is no object: apiVersion or kind is missing".to_owned());
    };
    if kind.ends_with("List") && object["items"].is_array() {
        let Value::Array(items) = object["items"].take() else {
            return Ok(());
        };
        return items.into_iter().try_for_each(|item| flatten(item, found));
    }
    if kind == "Secret" {
        encode(&mut object);
    }
    found.push(object);
    Ok(())
}

/// What is written as `stringData` is `data` to everybody but the writer, admission included.
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/>.
fn encode(secret: &mut Value) {
    let Some(Value::Object(texts)) = secret
        .as_object_mut()
        .and_then(|secret| secret.remove("stringData"))
    else {
        return;
    };
    if !secret["data"].is_object() {
        secret["data"] = json!({});
    }
    for (key, text) in texts {
        let bytes = text.as_str().unwrap_or_default().as_bytes().to_vec();
        secret["data"][key] = json!(ByteString(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_golden_of_thousands_is_read_from_one_text() {
        let object = |number: usize| {
            let data: String = (0..70).map(|key| format!("  key-{key}: text\n")).collect();
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map-{number}\ndata:\n{data}---\n")
        };
        let text: String = (0..2000).map(object).collect();
        assert_eq!(objects(&text).unwrap().len(), 2000);
    }

    #[test]
    fn documents_lists_and_json_are_read_in_order() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: List\nitems:\n\
            - {apiVersion: v1, kind: Service, metadata: {name: b}}\n- apiVersion: v1\n  kind: Secret\n  stringData: {key: text}\n";
        let found = objects(text).unwrap();
        let kinds: Vec<_> = found
            .iter()
            .map(|object| object["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["Pod", "Service", "Secret"]);
        assert_eq!(
            found[2],
            json!({ "apiVersion": "v1", "kind": "Secret", "data": { "key": "dGV4dA==" } })
        );
        let json =
            r#"{ "apiVersion": "v1", "kind": "PodList", "items": [{ "apiVersion": "v1", "kind": "Pod" }] }"#;
        assert_eq!(objects(json).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_manifest_is_said_without_showing_it() {
        // F06
        for text in ["password: hunter2", "{hunter2", "- hunter2"] {
            assert!(!objects(text).unwrap_err().contains("hunter2"), "{text}");
        }
    }
}
