//! Against a registry of our own on this machine.

use super::settle::{Patience, settle};
use super::{Keyring, Registries};
use crate::error::{Exit, Failure};
use crate::stand_in::{Asked, Said, StandIn};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use std::time::Duration;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "hunter2";

fn there() -> Said {
    Said::new(200).header("docker-content-digest", DIGEST)
}

fn patience(pushed: Option<u64>) -> Patience {
    Patience {
        pushed: pushed.map(Duration::from_secs),
        trouble: Duration::from_secs(pushed.unwrap_or(5)),
        pause: Duration::from_millis(5),
    }
}

/// Asks for `shop/web:pr-7`, with credentials, and collects what is said meanwhile.
async fn asked(
    server: &StandIn,
    pushed: Option<u64>,
) -> (Result<BTreeMap<String, String>, Failure>, Vec<String>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut keyring = Keyring::default();
    let auth = format!(
        r#"{{"auths": {{"{}": {{"username": "ci", "password": "{PASSWORD}"}}}}}}"#,
        server.authority()
    );
    keyring.add("Secret pull of shop", &auth);
    let registries = Registries::new(keyring).unwrap();
    let images = [format!("{}/shop/web:pr-7", server.authority())];
    let mut said = Vec::new();
    let settled = settle(&registries, &images, patience(pushed), |missing| {
        said.extend(missing.iter().map(|(image, why)| format!("{image}: {why}")));
    });
    let settled = settled.await;
    (settled, said)
}

/// The digest of the image, which is there.
async fn digest(server: &StandIn) -> String {
    let digests = asked(server, None).await.0.unwrap();
    digests.into_values().next().unwrap()
}

fn basic() -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("ci:{PASSWORD}")))
}

#[tokio::test]
async fn a_token_is_asked_for_with_the_credentials_and_shown_from_then_on() {
    let server = StandIn::start(|asked: &Asked, count| match asked.path.as_str() {
        "/token" => {
            let known = asked.header("authorization") == Some(basic());
            let query = asked.query.contains("scope=repository%3Ashop%2Fweb%3Apull")
                && asked.query.contains("service=reg");
            match known && query {
                true => Said::new(200).body(r#"{"token": "opens-it"}"#),
                false => Said::new(401),
            }
        }
        "/v2/shop/web/manifests/pr-7"
            if asked.header("authorization") == Some("Bearer opens-it".to_owned()) =>
        {
            // Pushed a moment later: the same token still does.
            if count < 4 { Said::new(404) } else { there() }
        }
        _ => Said::new(401).header(
            "www-authenticate",
            &format!(r#"Bearer realm="http://{}/token",service="reg""#, asked.host()),
        ),
    })
    .await;
    let (digests, said) = asked(&server, Some(20)).await;
    let digests = digests.unwrap();
    assert_eq!(digests.into_values().collect::<Vec<_>>(), [DIGEST]);
    assert!(said[0].ends_with("it is not pushed yet"), "{said:?}");
    let paths: Vec<_> = server
        .asked()
        .into_iter()
        .map(|asked| format!("{} {}", asked.method, asked.path))
        .collect();
    assert_eq!(
        paths.iter().filter(|path| path.as_str() == "GET /token").count(),
        1,
        "{paths:?}"
    );
    assert!(
        server.asked()[0]
            .header("accept")
            .unwrap()
            .contains("vnd.oci.image.index.v1+json")
    );
}

#[tokio::test]
async fn a_registry_without_tokens_gets_user_and_password() {
    let server = StandIn::start(|asked: &Asked, _| match asked.header("authorization") {
        Some(shown) if shown == basic() => there(),
        _ => Said::new(401).header("www-authenticate", "Basic realm=\"x\""),
    })
    .await;
    assert_eq!(digest(&server).await, DIGEST);
}

#[tokio::test]
async fn without_a_digest_in_the_head_the_manifest_is_hashed() {
    let server = StandIn::start(|_: &Asked, _| Said::new(200).body("{}")).await;
    assert_eq!(
        digest(&server).await,
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
}

#[tokio::test]
async fn a_digest_that_is_none_is_not_written_anywhere() {
    let server =
        StandIn::start(|_: &Asked, _| Said::new(200).header("docker-content-digest", "sha256:00; rm")).await;
    let failure = asked(&server, None).await.0.unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
}

#[tokio::test]
async fn what_is_never_pushed_is_not_in_time_and_is_named() {
    let server = StandIn::start(|_: &Asked, _| Said::new(404)).await;
    let failure = asked(&server, Some(0)).await.0.unwrap_err();
    assert_eq!(failure.exit, Exit::NotInTime);
    assert!(failure.causes[0].contains("/shop/web:pr-7"), "{failure:?}");
    let failure = asked(&server, None).await.0.unwrap_err();
    assert_eq!(failure.exit, Exit::NotFound);
}

#[tokio::test]
async fn who_is_turned_away_is_told_so_at_once_and_no_password_is_printed() {
    // F06
    for status in [401, 403] {
        let server = StandIn::start(move |asked: &Asked, _| {
            let shown = asked.header("authorization").unwrap_or_default();
            Said::new(status)
                .header("www-authenticate", "Basic realm=\"x\"")
                .body(&format!("your password is {PASSWORD}, {shown}"))
        })
        .await;
        let (settled, _) = asked(&server, Some(60)).await;
        let failure = settled.unwrap_err();
        assert_eq!(failure.exit, Exit::NoRights);
        let text = format!("{failure:?}");
        assert!(
            text.contains("Secret pull of shop") && text.contains("docker login"),
            "{text}"
        );
        let encoded = BASE64_STANDARD.encode(format!("ci:{PASSWORD}"));
        assert!(!text.contains(PASSWORD) && !text.contains(&encoded), "{text}");
    }
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_when_it_says_so() {
    let server = StandIn::start(|_: &Asked, count| match count {
        0 => Said::new(429).header("retry-after", "0"),
        1 => Said::new(503),
        _ => there(),
    })
    .await;
    let (settled, said) = asked(&server, None).await;
    settled.unwrap();
    assert!(
        said[0].contains("answers 429") && said[1].contains("answers 503"),
        "{said:?}"
    );
    let server = StandIn::start(|_: &Asked, _| Said::new(429).header("retry-after", "3600")).await;
    let failure = asked(&server, None).await.0.unwrap_err();
    assert_eq!((failure.exit, server.asked().len()), (Exit::NotInTime, 1));
}

#[tokio::test]
async fn what_opens_a_registry_is_not_shown_where_it_leads_to() {
    // F06
    let elsewhere = StandIn::start(|_: &Asked, _| there()).await;
    let target = format!("http://{}/somewhere", elsewhere.authority());
    let server = StandIn::start(move |asked: &Asked, _| match asked.header("authorization") {
        Some(_) => Said::new(307).header("location", &target),
        None => Said::new(401).header("www-authenticate", "Basic realm=\"x\""),
    })
    .await;
    assert_eq!(asked(&server, None).await.0.unwrap().len(), 1);
    assert_eq!(elsewhere.asked()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_token_server_that_listens_in_clear_elsewhere_gets_no_password() {
    // F06
    let server = StandIn::start(|_: &Asked, _| {
        Said::new(401).header("www-authenticate", "Bearer realm=\"http://token.example.com/x\"")
    })
    .await;
    let failure = asked(&server, None).await.0.unwrap_err();
    assert_eq!(failure.exit, Exit::Failed);
    assert!(failure.causes[0].contains("no token server"), "{failure:?}");
}
