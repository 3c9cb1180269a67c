//! The serving certificate, replaced under a running server.

use std::os::unix::fs::symlink;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rustls::pki_types::CertificateDer;
use understudy_tests::testbed::eventually;

use crate::caller::Caller;
use crate::pki::Pair;
use crate::replica::{Options, Replica, SOON};
use crate::reviews::config_map;

const REFUSED: &str = "understudy_certificates_refused_total";
const EXPIRY: &str = "understudy_certificate_expiry_timestamp_seconds";
const HOST: &str = "understudy-webhook";

async fn served(caller: &Caller) -> Result<CertificateDer<'static>> {
    let call = caller.connect().await?;
    let shown = call.stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(shown[0].clone().into_owned())
}

async fn becomes(caller: &Caller, pair: &Pair) {
    eventually(SOON, "the new certificate is served", || async {
        ensure!(served(caller).await? == pair.der(), "the old one is");
        Ok(())
    })
    .await
    .unwrap();
}

async fn refused(replica: &Replica, more_than: f64) -> f64 {
    eventually(SOON, "the certificate is refused", || async {
        let refused = replica.metric(REFUSED).await;
        ensure!(refused > more_than, "{refused}");
        Ok::<_, anyhow::Error>(refused)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_pair_is_taken_and_a_bad_one_leaves_the_last_good_one() {
    // B06
    let replica = Replica::start(Options::default()).await;
    let caller = replica.caller();
    let mut old = caller.connect().await.unwrap();
    old.review("/mutate", &config_map("before")).await.unwrap();
    let pair = |days| replica.authority.server(HOST, days);

    // As a mounted Secret is replaced: a symlink to another directory, swapped by a rename.
    let directory = |name: &str, pair: &Pair| {
        let directory = replica.tls.join(name);
        std::fs::create_dir(&directory).unwrap();
        pair.write(&directory);
    };
    let second = pair(30);
    directory("..second", &second);
    symlink("..second", replica.tls.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{file}"), replica.tls.join("link")).unwrap();
        std::fs::rename(replica.tls.join("link"), replica.tls.join(file)).unwrap();
    }
    becomes(&caller, &second).await;
    let third = pair(60);
    directory("..third", &third);
    symlink("..third", replica.tls.join("..new")).unwrap();
    std::fs::rename(replica.tls.join("..new"), replica.tls.join("..data")).unwrap();
    becomes(&caller, &third).await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let days = (replica.metric(EXPIRY).await - now) / 86_400.0;
    assert!((59.0..61.0).contains(&days), "{days}");

    // Each of these is worth nothing. The key before its certificate, half a file, garbage, expired, none.
    let fourth = pair(90);
    let write = |certificate: &str, key: &str| {
        std::fs::write(replica.tls.join("..third/tls.crt"), certificate).unwrap();
        std::fs::write(replica.tls.join("..third/tls.key"), key).unwrap();
    };
    let mut count = replica.metric(REFUSED).await;
    let expired = pair(-1);
    for (certificate, key) in [
        (third.certificate.as_str(), fourth.key.as_str()),
        (&fourth.certificate[..fourth.certificate.len() / 2], &fourth.key),
        ("garbage", "garbage"),
        (&expired.certificate, &expired.key),
        ("", ""),
    ] {
        write(certificate, key);
        count = refused(&replica, count).await;
        assert_eq!(served(&caller).await.unwrap(), third.der());
    }
    assert_eq!(replica.get("/readyz").await.unwrap().0, 200);
    write(&fourth.certificate, &fourth.key);
    becomes(&caller, &fourth).await;

    // Through all that the first connection stood.
    old.review("/mutate", &config_map("after")).await.unwrap();
    let log = replica.log();
    assert!(!log.contains("PRIVATE") && !log.contains(&third.key[40..80]));
}
