//! What a client may speak: TLS 1.2 and later, HTTP/1.1 and HTTP/2.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::ensure;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use understudy_tests::testbed::eventually;

use crate::caller::Call;
use crate::replica::{Options, Replica, SOON};
use crate::reviews::config_map;

async fn replica() -> &'static Replica {
    static REPLICA: OnceCell<Replica> = OnceCell::const_new();
    REPLICA.get_or_init(|| Replica::start(Options::default())).await
}

/// What the server says to these bytes before it closes.
async fn said_to(bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(replica().await.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_told_to_speak_https() {
    // B03
    let said = said_to(b"POST /mutate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}").await;
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 400 ") && said.ends_with("speak HTTPS, not HTTP\n"),
        "{said}"
    );
    let head = said.split("\r\n\r\n").next().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .unwrap();
    assert_eq!(length, (said.len() - head.len() - 4).to_string());
    let counted = r#"understudy_connections_ended_total{cause="plaintext"}"#;
    eventually(SOON, "it is counted", || async {
        ensure!(replica().await.metric(counted).await >= 1.0, "not yet");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_1_is_refused_by_an_alert() {
    // B03
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    // No session; two suites of TLS 1.1, no compression; extensions: signature algorithms, groups, point formats.
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let extensions = [
        0, 13, 0, 4, 0, 2, 4, 1, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0,
    ];
    hello.extend([0, u8::try_from(extensions.len()).unwrap()]);
    hello.extend(extensions);
    let length = u8::try_from(hello.len()).unwrap();
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], hello.as_slice()].concat();
    // A fatal alert (21): protocol_version (70).
    let said = said_to(&record).await;
    assert_eq!((said[0], &said[5..]), (21, [2, 70].as_slice()), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken() {
    // B03
    let replica = replica().await;
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(replica.authority.roots())
            .with_no_client_auth();
        let stream = TcpStream::connect(replica.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
        let answer = Call { stream }.review("/mutate", &config_map("x")).await;
        assert_eq!(answer.unwrap()["allowed"], true, "{spoken:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_review_is_counted_with_the_time_it_took() {
    // A10: also one of what no rule speaks of.
    let replica = Replica::start(Options::default()).await;
    let mut review = config_map("x");
    review["request"]["resource"]["resource"] = json!("podtemplates");
    let asked = Cell::new(0.0);
    // A busy machine is slow now and then, and not always.
    eventually(SOON, "one took less than half of 5 ms", || async {
        let answer = replica.caller().review("/mutate", &review).await.unwrap();
        asked.set(asked.get() + 1.0);
        assert!(answer["allowed"] == true && answer["patch"].is_null(), "{answer}");
        let bucket = r#"understudy_review_seconds_bucket{le="0.0025"}"#;
        ensure!(replica.metric(bucket).await >= 1.0, "none of {}", asked.get());
        Ok(())
    })
    .await
    .unwrap();
    for counted in [
        r#"understudy_reviews_total{stage="mutate",verdict="allow"}"#,
        "understudy_review_seconds_count",
        r#"understudy_review_seconds_bucket{le="+Inf"}"#,
    ] {
        assert_eq!(replica.metric(counted).await, asked.get(), "{counted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_protocol_and_with_http_1_1_and_http_2_reviews_are_answered() {
    // B03
    let caller = replica().await.caller();
    for protocols in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
        let call = caller.clone().speaking(protocols).connect().await.unwrap();
        let chosen = call.stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        if chosen.as_deref() != Some(b"h2") {
            let mut call = call;
            assert_eq!(chosen.as_deref(), protocols.first().map(|name| name.as_bytes()));
            // Two on one connection.
            for _ in 0..2 {
                assert_eq!(
                    call.review("/mutate", &config_map("x")).await.unwrap()["allowed"],
                    true
                );
            }
            continue;
        }
        let stream = TokioIo::new(call.stream);
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let ask = async |method: Method, body: String| {
            let request = Request::builder()
                .method(method)
                .uri("https://localhost/validate")
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body)))
                .unwrap();
            let answer = sender.clone().send_request(request).await.unwrap();
            (
                answer.status(),
                answer.into_body().collect().await.unwrap().to_bytes(),
            )
        };
        let review = config_map("x").to_string();
        let many = futures::future::join_all((0..100).map(|_| ask(Method::POST, review.clone()))).await;
        for (status, body) in many {
            assert_eq!(status, StatusCode::OK);
            assert!(String::from_utf8_lossy(&body).contains("\"allowed\":true"));
        }
        assert_eq!(
            ask(Method::GET, String::new()).await.0,
            StatusCode::METHOD_NOT_ALLOWED
        );
        assert_eq!(
            ask(Method::POST, "{}".to_owned()).await.0,
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            ask(Method::POST, " ".repeat(9_000_000)).await.0,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        assert_eq!(
            ask(Method::POST, review.clone()).await.0,
            StatusCode::OK,
            "the connection stays usable"
        );
        drop(sender);
        connection.await.unwrap().unwrap();
    }
    let refused = caller.speaking(&["spdy/3"]).connect().await;
    assert!(refused.is_err());
}
