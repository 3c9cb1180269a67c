//! The CA is renewed while admission serves, and nobody who makes something in a preview notices.

use anyhow::{Context, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use understudy::keys;
use understudy_tests::replica::{addresses, launch};
use understudy_tests::rollout::Service;
use understudy_tests::testbed::{NAMESPACE, User, eventually};

use crate::caller::Caller;
use crate::cluster::{Cluster, Makers};
use crate::pki::roots;
use crate::replica::{Options, SOON};

const AUTHORITY: &str = "understudy-webhook-ca";

async fn data(secrets: &Api<Secret>, name: &str, key: &str) -> anyhow::Result<String> {
    let data = secrets.get(name).await?.data.unwrap_or_default();
    Ok(String::from_utf8(data.get(key).context("not there")?.0.clone())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_ca_fails_no_admission_while_replicas_serve_different_leaves() {
    // B07
    let Cluster { bed, understudy, .. } = &Cluster::take().await;
    let admin = bed.client(User::Admin).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), NAMESPACE);
    let old = data(&secrets, AUTHORITY, "ca.crt").await.unwrap();
    let old_leaf = data(&secrets, keys::SERVING_SECRET, "tls.crt").await.unwrap();

    // One replica follows the Secret. The other keeps the old leaf in a file: the slowest kubelet there is.
    let directory = bed.path().join("old-leaf");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("tls.crt"), &old_leaf).unwrap();
    std::fs::write(
        directory.join("tls.key"),
        data(&secrets, keys::SERVING_SECRET, "tls.key").await.unwrap(),
    )
    .unwrap();
    let slow = Options {
        arguments: vec![format!("--tls-dir={}", directory.display())],
        ..Options::default()
    };
    launch(bed, "following", &Options::default()).await.unwrap();
    launch(bed, "slow", &slow).await.unwrap();
    let (_, following) = addresses(bed, "following").await.unwrap();
    let (_, slow) = addresses(bed, "slow").await.unwrap();
    let service = Service::bind(understudy.port()).await.unwrap();
    service.lead_to(&[following, slow]);
    // Each of their creations is reviewed twice.
    let mut makers = Makers::start(bed).await;
    makers.make(50).await;

    // A CA whose key is lost signs nothing more: the leader makes another one, as it does before the end of a CA's time.
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let lost = Patch::Merge(json!({ "stringData": { "ca.key": other } }));
    secrets
        .patch(AUTHORITY, &PatchParams::default(), &lost)
        .await
        .unwrap();
    let new = eventually(SOON, "there is a new CA", || async {
        let new = data(&secrets, AUTHORITY, "ca.crt").await?;
        ensure!(new != old, "the old one");
        Ok::<_, anyhow::Error>(new)
    })
    .await
    .unwrap();
    assert!(
        data(&secrets, AUTHORITY, "previous.crt")
            .await
            .unwrap()
            .contains(old.trim())
    );
    let host = format!("understudy-webhook.{NAMESPACE}.svc");
    eventually(
        SOON,
        "a leaf of the new CA is served beside one of the old CA",
        || async {
            let caller = Caller::new(following, roots(&new)).expecting(host.clone());
            caller.connect().await.context("following")?;
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
    .unwrap();
    let shown = Caller::new(slow, roots(&old))
        .expecting(host.clone())
        .connect()
        .await
        .unwrap();
    let shown = shown.stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(
        shown,
        CertificateDer::from_pem_slice(old_leaf.as_bytes()).unwrap()
    );
    makers.make(200).await;

    let mutating: Api<MutatingWebhookConfiguration> = Api::all(admin.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(admin);
    let mutating = mutating
        .get("understudy")
        .await
        .unwrap()
        .webhooks
        .unwrap_or_default();
    let validating = validating
        .get("understudy")
        .await
        .unwrap()
        .webhooks
        .unwrap_or_default();
    let bundles = mutating.iter().map(|entry| &entry.client_config.ca_bundle);
    let bundles = bundles.chain(validating.iter().map(|entry| &entry.client_config.ca_bundle));
    for bundle in bundles {
        let bundle = String::from_utf8(bundle.as_ref().unwrap().0.clone()).unwrap();
        assert!(
            bundle.contains(old.trim()) && bundle.contains(new.trim()),
            "{bundle}"
        );
    }
    makers.finish().await;
    // Both were asked all along, not the one that happens to be right.
    for name in ["following", "slow"] {
        let log = std::fs::read_to_string(bed.logs().join(format!("{name}.log"))).unwrap();
        let reviews = log.matches("\"reviewed\"").count();
        assert!(reviews > 50, "{name} answered {reviews}");
    }
}
