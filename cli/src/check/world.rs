//! What is known around the objects that are checked: from files alone, or with what a cluster says.

use super::Subject;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use understudy::admission::{Facts, Installation};
use understudy::environment::{Data, Fact, Kind, Reference};
use understudy::fingerprints::Fingerprints;
use understudy::guardrails;
use understudy::keys;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::{Preview, is_golden};
use understudy::protected::Protected;
use understudy::services::{Service, Services};

/// What a namespace is.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// A preview: admission is asked.
    Preview(Box<Preview>),
    /// Something else: admission is not asked.
    Other,
}

/// Everything a review may need to know.
#[derive(Debug)]
pub struct World {
    /// The present time.
    pub now: Timestamp,
    /// What is fixed at installation.
    pub installation: Installation,
    /// Every policy by name.
    pub policies: BTreeMap<String, PreviewPolicySpec>,
    /// The goldens.
    pub goldens: Vec<String>,
    /// Where Services lead.
    pub services: Services,
    /// What is known of the secret values of protected namespaces.
    pub fingerprints: Fingerprints,
    /// What each namespace is.
    pub places: BTreeMap<String, Standing>,
    /// ConfigMaps and Secrets by namespace.
    pub sources: BTreeMap<String, BTreeMap<Reference, Fact<Data>>>,
    /// Namespaces as they are, where a cluster was asked.
    pub namespaces: BTreeMap<String, Value>,
    /// Whether namespaces that are about to be adopted hold Pods; `None` where nobody could see.
    pub occupied: BTreeMap<String, Option<bool>>,
    /// Whether a cluster was asked: a policy that is not here does not exist.
    pub live: bool,
}

impl World {
    /// A world of which nothing is known but `policies`.
    pub fn new(now: Timestamp, policies: BTreeMap<String, PreviewPolicySpec>) -> Self {
        World {
            now,
            installation: Installation::default(),
            policies,
            goldens: Vec::new(),
            services: Services::default(),
            fingerprints: Fingerprints::default(),
            places: BTreeMap::new(),
            sources: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            occupied: BTreeMap::new(),
            live: false,
        }
    }

    /// Takes in what the manifest itself brings: ConfigMaps, Secrets, Services, goldens.
    pub fn learn(&mut self, subject: &Subject) {
        let object = &subject.object;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let namespace = &subject.namespace;
        match object["kind"].as_str().unwrap_or_default() {
            "ConfigMap" => {
                let data = Data::from(texts(&object["data"])).with_binary(decoded(&object["binaryData"]));
                self.learn_data(namespace, Kind::ConfigMap, name, data);
            }
            "Secret" => self.learn_data(namespace, Kind::Secret, name, decoded(&object["data"]).into()),
            "Service" => {
                let spec = &object["spec"];
                let alias = (spec["type"] == "ExternalName")
                    .then(|| spec["externalName"].as_str().map(str::to_owned));
                let service = Service {
                    external_name: alias.flatten(),
                    ..Service::default()
                };
                self.services.put(namespace, &name, service);
            }
            "Namespace" => {
                let labels: BTreeMap<String, String> = texts(&object["metadata"]["labels"]);
                if is_golden(Some(&labels)) {
                    self.goldens.push(name);
                }
            }
            _ => {}
        }
    }

    fn learn_data(&mut self, namespace: &str, kind: Kind, name: String, data: Data) {
        let sources = self.sources.entry(namespace.to_owned()).or_default();
        sources.insert(Reference { kind, name }, Fact::Present(data));
    }

    /// The preview that a namespace with this metadata will be once it is sealed and its branches are ready.
    pub fn ready(&self, mut metadata: ObjectMeta) -> Standing {
        metadata.creation_timestamp.get_or_insert(Time(self.now));
        let Some(preview) = Preview::of(&metadata) else {
            return Standing::Other;
        };
        if let Some(policy) = self.policies.get(&preview.policy) {
            let notes = metadata.annotations.get_or_insert_default();
            for database in preview.branched(policy).iter() {
                notes.insert(keys::database_state(&database.name), "ready".to_owned());
            }
            let wanted = guardrails::desired(&preview, policy, &self.installation.namespace);
            notes.insert(keys::GUARDRAILS.to_owned(), guardrails::seal_hash(&wanted));
        }
        Preview::of(&metadata).map_or(Standing::Other, |preview| Standing::Preview(Box::new(preview)))
    }

    /// What a review in `namespace` needs.
    pub fn facts(&self, namespace: &str) -> Facts {
        let preview = match self.places.get(namespace) {
            Some(Standing::Preview(preview)) => Some(preview.as_ref().clone()),
            _ => None,
        };
        let parent = preview.as_ref().and_then(|preview| preview.parent.clone());
        let goldens = self.goldens.iter().cloned().chain(parent);
        Facts {
            now: self.now,
            installation: Arc::new(self.installation.clone()),
            policies: Arc::new(self.policies.clone()),
            protected: Arc::new(Protected::new(goldens, self.policies.values(), &self.services)),
            services: Arc::new(self.services.clone()),
            fingerprints: Arc::new(self.fingerprints.clone()),
            pods: self
                .occupied
                .get(namespace)
                .copied()
                .flatten()
                .map_or(Fact::Unknown, Fact::Present),
            preview,
            wanted_seal: None,
            sources: self.sources.get(namespace).cloned().unwrap_or_default(),
        }
    }
}

fn texts(data: &Value) -> BTreeMap<String, String> {
    let fields = data.as_object().into_iter().flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Values of a Secret as a container will find them.
fn decoded(data: &Value) -> BTreeMap<String, String> {
    let bytes =
        |value: &Value| serde_json::from_value::<k8s_openapi::ByteString>(value.clone()).map(|bytes| bytes.0);
    let text = |value: &Value| String::from_utf8_lossy(&bytes(value).unwrap_or_default()).into_owned();
    data.as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}
