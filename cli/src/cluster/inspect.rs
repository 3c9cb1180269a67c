//! What `doctor` looks at: everything an installation consists of, read with the caller's own rights and changed by
//! nothing. What may not be read is a fact of its own, never an error.

use super::{Cluster, PARALLEL, Seen};
use crate::check::groups_of;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Resource;
use kube::api::{Api, ListParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use understudy::admission::User;
use understudy::keys;
use understudy::policy::{ObjectRef, PreviewPolicy};
use understudy::preview::is_golden;

/// Name of both webhook configurations.
pub const CONFIGURATION: &str = "understudy";
/// Name of the Service that the API server calls.
pub const SERVICE: &str = "understudy-webhook";
/// Name of the leader's Lease.
pub const LEADER: &str = "understudy-controller";
/// Where the chart is installed, unless somebody chose another namespace.
pub const HOME: &str = "understudy-system";

/// A right that one of our identities needs.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// The ServiceAccount, in our own namespace.
    pub account: &'static str,
    /// The verb.
    pub verb: &'static str,
    /// The API group.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// The object's name, where the right is for one object only.
    pub name: &'static str,
    /// Whether it is needed in our own namespace only.
    pub at_home: bool,
}

/// What came of a namespace that was made for a trial only.
#[derive(Clone, Debug, PartialEq)]
pub enum Trial {
    /// It would be made, with these annotations.
    Born(BTreeMap<String, String>),
    /// The API server's answer.
    Refused {
        /// The HTTP status.
        code: u16,
        /// The message.
        message: String,
    },
    /// No answer.
    Unanswered(String),
}

/// An installation as the caller sees it.
#[derive(Debug)]
pub struct Inspection {
    /// When it was looked at.
    pub now: Timestamp,
    /// The API server's address.
    pub url: String,
    /// Where Understudy is installed, as far as that can be seen.
    pub namespace: String,
    /// `major.minor` and the full version.
    pub version: (u32, u32, String),
    /// Who the caller is, as the API server says.
    pub caller: Seen<User>,
    /// The definition of PreviewPolicy.
    pub definition: Seen<CustomResourceDefinition>,
    /// The mutating and the validating configuration, in this order, as JSON.
    pub configurations: [Seen<Value>; 2],
    /// The Service.
    pub service: Seen<Service>,
    /// What stands behind the Service.
    pub endpoints: Seen<Vec<EndpointSlice>>,
    /// The Deployments of both programs.
    pub programs: [(&'static str, Seen<Deployment>); 2],
    /// The serving certificate, PEM, without its key.
    pub certificate: Seen<Vec<u8>>,
    /// The ValidatingAdmissionPolicies by name.
    pub layers: Seen<BTreeMap<String, ValidatingAdmissionPolicy>>,
    /// Their bindings.
    pub bindings: Seen<Vec<ValidatingAdmissionPolicyBinding>>,
    /// What came of a preview, on trial.
    pub preview_trial: Trial,
    /// What came of a golden, on trial.
    pub golden_trial: Trial,
    /// Whether each right is granted; the order is that of the question.
    pub rights: Vec<(Right, Seen<bool>)>,
    /// Every policy.
    pub policies: Seen<Vec<PreviewPolicy>>,
    /// The keys of the Secrets that policies name.
    pub admin_secrets: BTreeMap<(String, String), Seen<BTreeSet<String>>>,
    /// Whether admission may read the Secrets of each golden.
    pub golden_readers: BTreeMap<String, Seen<bool>>,
    /// The leader's Lease.
    pub lease: Seen<Lease>,
    /// Every namespace with a label of ours.
    pub namespaces: Seen<Vec<Namespace>>,
}

impl Cluster {
    /// Looks at everything at once. `namespace` is where Understudy is installed, where the caller knows better than the
    /// webhook configurations.
    pub async fn inspect(
        &self,
        namespace: Option<String>,
        rights: &[Right],
    ) -> Result<Inspection, crate::error::Failure> {
        let info = self.client.apiserver_version().await;
        let info =
            info.map_err(|error| super::explain(format!("cannot ask {} for its version", self.url), &error))?;
        let number = |text: &str| {
            text.trim_end_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .unwrap_or(0)
        };
        let version = (number(&info.major), number(&info.minor), info.git_version);

        let configurations = self.configurations().await;
        let namespace = namespace.unwrap_or_else(|| home(&configurations));

        let home = namespace.as_str();
        let slices = ListParams::default().labels(&format!("kubernetes.io/service-name={SERVICE}"));
        let ours = ListParams::default();
        let (caller, definition, service, endpoints, admission, controller, certificate, lease) = futures::join!(
            self.caller(),
            self.look(
                Api::<CustomResourceDefinition>::all,
                "previewpolicies.understudy.dev"
            ),
            self.look(|client| Api::<Service>::namespaced(client, home), SERVICE),
            self.list(|client| Api::<EndpointSlice>::namespaced(client, home), &slices),
            self.look(
                |client| Api::<Deployment>::namespaced(client, home),
                keys::ADMISSION_ACCOUNT
            ),
            self.look(
                |client| Api::<Deployment>::namespaced(client, home),
                keys::CONTROLLER_ACCOUNT
            ),
            self.look(
                |client| Api::<Secret>::namespaced(client, home),
                keys::SERVING_SECRET
            ),
            self.look(|client| Api::<Lease>::namespaced(client, home), LEADER),
        );
        let (layers, bindings, policies, namespaces, preview_trial, golden_trial, rights) = futures::join!(
            self.list(Api::<ValidatingAdmissionPolicy>::all, &ours),
            self.list(Api::<ValidatingAdmissionPolicyBinding>::all, &ours),
            self.list(Api::<PreviewPolicy>::all, &ours),
            self.list(Api::<Namespace>::all, &ours),
            self.trial(keys::PREVIEW),
            self.trial(keys::GOLDEN),
            self.granted(home, rights),
        );
        let (admin_secrets, golden_readers) = futures::join!(
            self.admin_secrets(&policies),
            self.golden_readers(home, &namespaces)
        );
        Ok(Inspection {
            now: Timestamp::now(),
            url: self.url.clone(),
            version,
            caller,
            definition,
            configurations,
            service,
            endpoints,
            programs: [
                (keys::ADMISSION_ACCOUNT, admission),
                (keys::CONTROLLER_ACCOUNT, controller),
            ],
            certificate: certificate.map(|secret| {
                let data = secret.data.unwrap_or_default();
                data.get("tls.crt")
                    .map(|bytes| bytes.0.clone())
                    .unwrap_or_default()
            }),
            layers: layers.map(|all| all.into_iter().filter_map(by_name).collect()),
            bindings,
            preview_trial,
            golden_trial,
            rights,
            policies,
            admin_secrets,
            golden_readers,
            lease,
            namespaces: namespaces.map(|all| all.into_iter().filter(is_labelled).collect()),
            namespace,
        })
    }

    /// The mutating and the validating configuration, as JSON.
    async fn configurations(&self) -> [Seen<Value>; 2] {
        let (mutating, validating) = futures::join!(
            self.look(Api::<MutatingWebhookConfiguration>::all, CONFIGURATION),
            self.look(Api::<ValidatingWebhookConfiguration>::all, CONFIGURATION),
        );
        [
            mutating.map(|found| json!(found)),
            validating.map(|found| json!(found)),
        ]
    }

    /// Where Understudy is installed, as far as that can be seen.
    pub async fn home(&self) -> String {
        home(&self.configurations().await)
    }

    async fn look<K>(&self, api: impl Fn(kube::Client) -> Api<K>, name: &str) -> Seen<K>
    where
        K: Resource + Clone + DeserializeOwned + Debug,
    {
        api(self.client.clone()).get_opt(name).await.into()
    }

    async fn list<K>(&self, api: impl Fn(kube::Client) -> Api<K>, params: &ListParams) -> Seen<Vec<K>>
    where
        K: Resource + Clone + DeserializeOwned + Debug,
    {
        let list = api(self.client.clone()).list(params).await;
        list.map(|list| Some(list.items)).into()
    }

    /// Asks a question that is put by creating an object of a kind that is never stored.
    async fn ask<K>(&self, question: &K) -> Seen<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + Clone
            + Serialize
            + DeserializeOwned
            + Debug,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), question).await;
        answer.map(Some).into()
    }

    /// Who the caller is.
    pub async fn caller(&self) -> Seen<User> {
        let answer = self.ask(&SelfSubjectReview::default()).await;
        answer.map(|review| {
            let info = review
                .status
                .and_then(|status| status.user_info)
                .unwrap_or_default();
            User {
                name: info.username.unwrap_or_default(),
                groups: info.groups.unwrap_or_default(),
            }
        })
    }

    /// A namespace with this label set to `true`, for a trial: admission is asked, nothing is stored.
    async fn trial(&self, label: &str) -> Trial {
        let number = RandomState::new().hash_one(label);
        let manifest = json!({ "metadata": { "name": format!("understudy-doctor-{number:016x}"), "labels": { label: "true" } } });
        let Ok(namespace) = serde_json::from_value::<Namespace>(manifest) else {
            return Trial::Unanswered("the manifest is no Namespace".to_owned());
        };
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let api: Api<Namespace> = Api::all(self.client.clone());
        match api.create(&params, &namespace).await {
            Ok(born) => Trial::Born(born.metadata.annotations.unwrap_or_default()),
            Err(kube::Error::Api(status)) => Trial::Refused {
                code: status.code,
                message: status.message,
            },
            Err(error) => Trial::Unanswered(super::explain("", &error).causes.join("; ")),
        }
    }

    async fn granted(&self, home: &str, rights: &[Right]) -> Vec<(Right, Seen<bool>)> {
        let asked = stream::iter(rights.iter().copied()).map(|right| async move {
            (
                right,
                self.access(home, &right, right.at_home.then_some(home)).await,
            )
        });
        asked.buffered(PARALLEL).collect().await
    }

    /// Whether admission may read the Secrets of each golden, to recognise copies of them.
    async fn golden_readers(
        &self,
        home: &str,
        namespaces: &Seen<Vec<Namespace>>,
    ) -> BTreeMap<String, Seen<bool>> {
        const READ: Right = Right {
            account: keys::ADMISSION_ACCOUNT,
            verb: "list",
            group: "",
            resource: "secrets",
            name: "",
            at_home: false,
        };
        let goldens = namespaces.there().into_iter().flatten();
        let names: Vec<String> = goldens
            .filter(|namespace| is_golden(namespace.metadata.labels.as_ref()))
            .filter_map(|namespace| namespace.metadata.name.clone())
            .collect();
        let asked = stream::iter(names).map(|name| async move {
            let seen = self.access(home, &READ, Some(&name)).await;
            (name, seen)
        });
        asked.buffer_unordered(PARALLEL).collect().await
    }

    /// Whether one of our ServiceAccounts has `right`, in `namespace` or everywhere.
    async fn access(&self, home: &str, right: &Right, namespace: Option<&str>) -> Seen<bool> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{home}:{}", right.account)),
                groups: Some(groups_of(home)),
                resource_attributes: Some(ResourceAttributes {
                    namespace: namespace.map(str::to_owned),
                    verb: text(right.verb),
                    group: text(right.group),
                    resource: text(right.resource),
                    name: text(right.name),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = self.ask(&review).await;
        answer.map(|review| review.status.is_some_and(|status| status.allowed))
    }

    /// Which keys the Secrets that policies name have; their values are let go of at once.
    async fn admin_secrets(
        &self,
        policies: &Seen<Vec<PreviewPolicy>>,
    ) -> BTreeMap<(String, String), Seen<BTreeSet<String>>> {
        let databases = policies
            .there()
            .into_iter()
            .flatten()
            .flat_map(|policy| &policy.spec.databases);
        let named: BTreeSet<ObjectRef> = databases
            .map(|database| database.branch.postgres.admin_secret.clone())
            .collect();
        let reads = stream::iter(named).map(|reference| async move {
            let in_its_namespace = |client| Api::<Secret>::namespaced(client, &reference.namespace);
            let seen = self.look(in_its_namespace, &reference.name).await;
            let keys = seen.map(|secret| secret.data.unwrap_or_default().into_keys().collect());
            ((reference.namespace, reference.name), keys)
        });
        reads.buffer_unordered(PARALLEL).collect().await
    }
}

fn home(configurations: &[Seen<Value>; 2]) -> String {
    let named = configurations.iter().find_map(named_namespace);
    named.unwrap_or_else(|| HOME.to_owned())
}

/// The namespace of the Service that a configuration calls.
fn named_namespace(configuration: &Seen<Value>) -> Option<String> {
    let namespace = &configuration.there()?["webhooks"][0]["clientConfig"]["service"]["namespace"];
    namespace.as_str().map(str::to_owned)
}

fn by_name(policy: ValidatingAdmissionPolicy) -> Option<(String, ValidatingAdmissionPolicy)> {
    Some((policy.metadata.name.clone()?, policy))
}

fn is_labelled(namespace: &Namespace) -> bool {
    let labels = namespace.metadata.labels.as_ref();
    labels.is_some_and(|labels| {
        [keys::PREVIEW, keys::GOLDEN]
            .iter()
            .any(|key| labels.contains_key(*key))
    })
}
