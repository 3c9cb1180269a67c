//! The CA is renewed while admission serves, and nobody who makes something in a preview notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use understudy::keys;
use understudy_tests::testbed::{
    InstallOptions, Launch, NAMESPACE, Options as BedOptions, Role, TestBed, User, eventually,
};

use crate::caller::Caller;
use crate::pki::roots;
use crate::replica::{Options, SOON, addresses, launch};

const AUTHORITY: &str = "understudy-webhook-ca";

/// Passes connections on to each of `replicas` in turn, as a Service does.
async fn spread(listener: TcpListener, replicas: [SocketAddr; 2]) {
    let mut next = 0;
    while let Ok((mut client, _)) = listener.accept().await {
        next += 1;
        let replica = replicas[next % 2];
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(replica).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

async fn data(secrets: &Api<Secret>, name: &str, key: &str) -> anyhow::Result<String> {
    let data = secrets.get(name).await?.data.unwrap_or_default();
    Ok(String::from_utf8(data.get(key).context("not there")?.0.clone())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_the_ca_fails_no_admission_while_replicas_serve_different_leaves() {
    // B07. On a bed of its own, since it takes the place of its `serve`.
    let bed = TestBed::start(BedOptions {
        postgres: false,
        ..BedOptions::default()
    })
    .await
    .unwrap();
    let understudy = bed.install(InstallOptions::default()).await.unwrap();
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
    let slow = vec![format!("--tls-dir={}", directory.display())];
    let plain = Options::default();
    launch(&bed, "following", vec![], &plain).await.unwrap();
    launch(&bed, "slow", slow, &plain).await.unwrap();
    let (_, following) = addresses(&bed, "following").await.unwrap();
    let (_, slow) = addresses(&bed, "slow").await.unwrap();
    understudy.stop(Role::Serve).await.unwrap();
    let listener = TcpListener::bind(("127.0.0.1", understudy.port())).await.unwrap();
    tokio::spawn(spread(listener, [following, slow]));
    let often = Launch {
        arguments: vec!["--certificate-seconds=1".to_owned()],
        ..Launch::default()
    };
    understudy.stop(Role::Control).await.unwrap();
    understudy.start_with(Role::Control, often).await.unwrap();
    understudy.wait_until_ready(Role::Control).await.unwrap();

    // Creations in a preview, all the time; each is reviewed four times.
    let developer = bed.client(User::Developer).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(developer.clone());
    let preview = json!({ "metadata": { "name": "rotated", "labels": { keys::PREVIEW: "true" } } });
    namespaces
        .create(&PostParams::default(), &serde_json::from_value(preview).unwrap())
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(developer, "rotated");
    let first = json!({ "metadata": { "name": "first" } });
    let first: ConfigMap = serde_json::from_value(first).unwrap();
    eventually(SOON, "the developer may write there", || async {
        maps.create(&PostParams::default(), &first).await
    })
    .await
    .unwrap();
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut creators = JoinSet::new();
    for creator in 0..4 {
        let (maps, over, made) = (maps.clone(), over.clone(), made.clone());
        creators.spawn(async move {
            for number in 0.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let dry_run = PostParams {
                    dry_run: true,
                    ..PostParams::default()
                };
                let map = json!({ "metadata": { "name": format!("x-{creator}-{number}") } });
                let map: ConfigMap = serde_json::from_value(map).unwrap();
                maps.create(&dry_run, &map).await.expect("no admission fails");
                made.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let more = async |than: u64| {
        let enough = made.load(Ordering::SeqCst) + than;
        eventually(SOON, "more is made", || async {
            ensure!(made.load(Ordering::SeqCst) >= enough, "not yet");
            Ok(())
        })
        .await
        .unwrap();
    };
    more(50).await;

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
    more(200).await;

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
    over.store(true, Ordering::SeqCst);
    creators.join_all().await;
    // Both were asked all along, not the one that happens to be right.
    for name in ["following", "slow"] {
        let log = std::fs::read_to_string(bed.logs().join(format!("{name}.log"))).unwrap();
        let reviews = log.matches("\"reviewed\"").count();
        assert!(reviews > 50, "{name} answered {reviews}");
    }
}
