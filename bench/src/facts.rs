//! What a review of the samples has to know: a golden `shop` and a sealed preview of it, its branch ready.

use serde_json::json;
use std::sync::Arc;
use understudy::admission::{Exempt, Facts, Installation};
use understudy::environment::Fact;
use understudy::guardrails;
use understudy::keys;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::Preview;
use understudy::protected::Protected;
use understudy::services::{Service, Services};

/// The preview's namespace.
pub const PREVIEW: &str = "shop-pr-7";
/// Where Understudy runs.
const OWN: &str = "understudy-system";
/// Services of the golden, beside its database.
const SERVICES: u8 = 20;

/// The facts, as `serve` has them in hand: the seal is worked out once and for all.
///
/// # Panics
/// If the core no longer reads what is written here.
#[must_use]
pub fn facts() -> Facts {
    let policy: PreviewPolicySpec = serde_json::from_value(json!({
        "hosts": { "domain": "preview.example.com" },
        "databases": [{
            "name": "app",
            "match": { "hosts": ["db.shop.svc.cluster.local"], "databases": ["shop"], "secrets": ["shop-db/url"] },
            "branch": { "postgres": {
                "adminSecret": { "namespace": OWN, "name": "pg" }, "template": "shop_seed",
                "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 }
            } }
        }]
    }))
    .expect("a policy");
    let metadata = serde_json::from_value(json!({
        "name": PREVIEW, "labels": { keys::PREVIEW: "true" }, "annotations": { keys::database_state("app"): "ready" }
    }));
    let mut preview = Preview::of(&metadata.expect("metadata")).expect("a preview");
    let seal = guardrails::wanted_seal(&preview, &policy, OWN);
    preview.sealed = Some(seal.clone());
    let services = services();
    Facts {
        now: "2026-06-01T12:00:00Z".parse().expect("a time"),
        installation: Arc::new(Installation {
            namespace: OWN.to_owned(),
            exempt: Exempt {
                users: Vec::new(),
                groups: vec!["system:masters".to_owned()],
            },
            system_service_accounts: Vec::new(),
            system_users: Vec::new(),
        }),
        protected: Arc::new(Protected::new(["shop".to_owned()], [&policy], &services)),
        policies: Arc::new([("default".to_owned(), policy)].into()),
        services: Arc::new(services),
        fingerprints: Arc::default(),
        pods: Fact::Unknown,
        preview: Some(preview),
        wanted_seal: Some(seal.into()),
        sources: [].into(),
    }
}

fn services() -> Services {
    let mut services = Services::default();
    let at = |last: u8| Service {
        cluster_ips: vec![[10, 96, 1, last].into()],
        external_name: None,
    };
    services.put("shop", "db", at(1));
    for number in 0..SERVICES {
        services.put("shop", &format!("service-{number}"), at(10 + number));
    }
    services
}
