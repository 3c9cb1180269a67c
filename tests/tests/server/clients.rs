//! With a CA of clients, only the API server is answered.

use crate::caller::Caller;
use crate::pki::Authority;
use crate::replica::{Options, Replica, SOON};
use crate::reviews::config_map;
use anyhow::ensure;
use understudy_tests::testbed::{eventually, installed};

const WARNING: &str = "no --client-ca";

async fn allowed(caller: &Caller) -> bool {
    let response = caller.review("/mutate", &config_map("x")).await;
    response.is_ok_and(|response| response["allowed"] == true)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_unexpired_certificate_of_the_right_authority_and_name_is_answered() {
    // B04
    let bed = installed().await.bed();
    let (right, foreign) = (Authority::new("clients"), Authority::new("clients"));
    let file = bed
        .path()
        .join(format!("clients-{:08x}.crt", rand::random::<u32>()));
    std::fs::write(&file, right.pem()).unwrap();
    let arguments = vec![
        format!("--client-ca={}", file.display()),
        "--client-name=kube-apiserver".to_owned(),
        "--client-name=other".to_owned(),
    ];
    let replica = Replica::start(Options {
        arguments,
        ..Options::default()
    })
    .await;
    let bare = replica.caller();
    let with = |pair| bare.clone().with_certificate(&pair);

    assert!(!allowed(&bare).await, "no certificate");
    assert!(
        !allowed(&with(foreign.client("kube-apiserver", 1))).await,
        "a foreign CA"
    );
    assert!(
        !allowed(&with(right.client("kube-apiserver", -1))).await,
        "expired"
    );
    assert!(!allowed(&with(right.client("kubelet", 1))).await, "another name");
    assert!(
        !allowed(&with(right.server("kube-apiserver", 1))).await,
        "a server's"
    );
    assert!(allowed(&with(right.client("kube-apiserver", 1))).await);
    assert!(allowed(&with(right.client("other", 1))).await);
    assert!(allowed(&with(right.client_by_host("other"))).await);
    assert!(!allowed(&with(right.client_by_host("another"))).await);
    let refused = replica
        .metric(r#"understudy_connections_ended_total{cause="handshake"}"#)
        .await;
    assert!(refused >= 4.0, "{refused}");
    // Health needs none.
    assert_eq!(replica.get("/readyz").await.unwrap().0, 200);
    assert!(!replica.log().contains(WARNING));

    // The CA is followed; one that is none is not taken.
    std::fs::write(&file, "garbage").unwrap();
    let counted = "understudy_certificates_refused_total";
    eventually(SOON, "garbage is refused", || async {
        ensure!(replica.metric(counted).await == 1.0, "not counted");
        Ok(())
    })
    .await
    .unwrap();
    assert!(allowed(&with(right.client("kube-apiserver", 1))).await);
    std::fs::write(&file, foreign.pem()).unwrap();
    eventually(SOON, "the new CA is taken", || async {
        ensure!(
            allowed(&with(foreign.client("kube-apiserver", 1))).await,
            "refused"
        );
        Ok(())
    })
    .await
    .unwrap();
    assert!(!allowed(&with(right.client("kube-apiserver", 1))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ca_everybody_is_answered_and_that_is_said_once() {
    // B04
    let replica = Replica::start(Options::default()).await;
    assert!(allowed(&replica.caller()).await);
    assert_eq!(replica.log().matches(WARNING).count(), 1);
}
