//! Another vendor's mutating webhook, on the bed beside ours: a sidecar injector, or one that undoes what we did.
//!
//! It serves with the HTTP and TLS stack of our own webhook, so that it is also the echo that ours is measured beside.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use kube::api::PostParams;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use understudy_webhook::http::{Answer, Counts, Limits, Listener, Reply, Season, reply, text};

use super::{TestBed, User};

/// What it does to an object: operations of a JSON patch.
pub type Change = fn(&Value) -> Vec<Value>;

/// The webhook; ends with its value.
pub struct Neighbour {
    address: SocketAddr,
    authority: String,
    task: JoinHandle<()>,
    _season: watch::Sender<Season>,
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Changes(Change);

impl Answer for Changes {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let Ok(body) = request.into_body().collect().await else {
            return text(StatusCode::BAD_REQUEST, "the body broke off");
        };
        let Ok(review) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
            return text(StatusCode::BAD_REQUEST, "not JSON");
        };
        let mut response = json!({ "uid": review["request"]["uid"], "allowed": true });
        let operations = (self.0)(&review["request"]["object"]);
        if !operations.is_empty() {
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(json!(operations).to_string()));
        }
        let answer =
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
        reply(StatusCode::OK, "application/json", answer.to_string())
    }
}

impl Neighbour {
    /// Serves on `ip`, with a certificate for it and for `localhost`.
    pub async fn serve(ip: Ipv4Addr, change: Change) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), ip.to_string()];
        let leaf = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?,
            )?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = Listener::bind((ip, 0).into(), Limits::default(), Counts::default()).await?;
        let address = listener.address()?;
        let (season, seasons) = watch::channel(Season::Open);
        let (_, tls) = watch::channel(Arc::new(tls));
        let task = tokio::spawn(listener.serve(Changes(change), Some(tls), seasons));
        Ok(Neighbour {
            address,
            authority: authority.pem(),
            task,
            _season: season,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority of its certificate, as PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Has the API server call it for the creation of Pods that carry the label `neighbour: name`.
    pub async fn register(&self, bed: &TestBed, name: &str) -> Result<()> {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": { "name": name },
            "webhooks": [{
                "name": format!("{name}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "reinvocationPolicy": "IfNeeded", "failurePolicy": "Fail", "timeoutSeconds": 5,
                "objectSelector": { "matchLabels": { "neighbour": name } },
                "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }],
                "clientConfig": { "url": format!("https://{}/", self.address), "caBundle": STANDARD.encode(&self.authority) },
            }],
        });
        let api: Api<MutatingWebhookConfiguration> = Api::all(bed.client(User::Admin).await?);
        api.create(&PostParams::default(), &serde_json::from_value(configuration)?)
            .await
            .with_context(|| format!("failed to register the webhook {name}"))?;
        Ok(())
    }
}
