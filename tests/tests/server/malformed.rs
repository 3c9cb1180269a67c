//! Hostile and malformed requests: refused in few words, and the next one on the same connection is answered.

use anyhow::ensure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use understudy::keys;
use understudy_tests::previews::ready_preview;
use understudy_tests::testbed::eventually;

use crate::caller::{Call, post};
use crate::replica::{Options, Replica, SOON};
use crate::reviews::{config_map, creation, pod};

async fn replica() -> &'static Replica {
    static REPLICA: OnceCell<Replica> = OnceCell::const_new();
    REPLICA.get_or_init(|| Replica::start(Options::default())).await
}

async fn assert_usable(call: &mut Call) {
    let response = call.review("/mutate", &config_map("next")).await.unwrap();
    assert_eq!(response["allowed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_review_is_a_bad_request_and_the_connection_stays_usable() {
    // A01
    let replica = replica().await;
    let mut call = replica.caller().connect().await.unwrap();
    let whole = config_map("whole").to_string();
    let bodies: [&[u8]; 8] = [
        b"",
        b"{}",
        b"null",
        b"[]",
        &whole.as_bytes()[..whole.len() / 2],
        &[whole.as_bytes(), b"{}"].concat(),
        b"{\"apiVersion\":\"\xff\xfe\"}",
        b"\0",
    ];
    let counted = r#"understudy_refused_requests_total{cause="malformed"}"#;
    let before = replica.metric(counted).await;
    for body in bodies {
        for path in ["/mutate", "/validate"] {
            let answer = call.post(path, body).await.unwrap();
            assert_eq!(answer.status, 400, "{answer:?}");
            assert!(!answer.body.is_empty() && answer.body.len() < 500, "{answer:?}");
        }
    }
    assert_usable(&mut call).await;
    assert!(replica.metric(counted).await >= before + 16.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_paths_methods_and_media_types_are_told_so() {
    // A02
    let mut call = replica().await.caller().connect().await.unwrap();
    let review = config_map("x").to_string();
    let with = |line: &str, headers: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n{review}",
            review.len()
        )
    };
    let json = "Content-Type: application/json\r\n";
    let gzip = format!("{json}Content-Encoding: gzip\r\n");
    for (request, status) in [
        (with("POST /", json), 404),
        (with("POST /mutate/", json), 404),
        (with("POST /metrics", json), 404),
        (with("PUT /mutate", json), 405),
        (with("DELETE /validate", json), 405),
        ("GET /mutate HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 405),
        (with("POST /mutate", ""), 415),
        (with("POST /mutate", "Content-Type: application/yaml\r\n"), 415),
        (with("POST /mutate", "Content-Type: application/jsonx\r\n"), 415),
        (with("POST /mutate", &gzip), 415),
        (
            with(
                "POST /mutate",
                "Content-Type: application/json; charset=utf-8\r\n",
            ),
            200,
        ),
        (with("POST /mutate?timeout=5s", json), 200),
    ] {
        call.send(request.as_bytes()).await.unwrap();
        let answer = call.answer().await.unwrap();
        assert_eq!(answer.status, status, "{request}\n{answer:?}");
        assert_eq!(
            answer.head.contains("\r\nallow: post\r\n"),
            status == 405,
            "{answer:?}"
        );
        // A refusal before the body was read may end the connection; the answer has come all the same.
        if answer.head.contains("connection: close")
            || call.review("/mutate", &config_map("next")).await.is_err()
        {
            call = replica().await.caller().connect().await.unwrap();
        }
    }
    for garbage in [
        "GARBAGE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /mutate HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut call = replica().await.caller().connect().await.unwrap();
        call.send(garbage.as_bytes()).await.unwrap();
        let said = String::from_utf8(call.closed().await.unwrap()).unwrap();
        assert!(said.starts_with("HTTP/1.1 4") || said.is_empty(), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_of_seven_mebibytes_is_answered() {
    // A03
    // Of its own: the other tests take all the memory there is for large bodies.
    let replica = Replica::start(Options::default()).await;
    let half = "x".repeat(3_500_000);
    let object = |value: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "large" }, "data": { "a": value } });
    let mut review = creation("ConfigMap", "nowhere", object(&half));
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = object(&half);
    assert!(review.to_string().len() > 7_000_000);
    for path in ["/mutate", "/validate"] {
        let response = replica.caller().review(path, &review).await.unwrap();
        assert_eq!(response["allowed"], true);
        assert!(response.get("patch").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_as_soon_as_that_is_known() {
    // A04
    const LIMIT: usize = 8 * 1024 * 1024;
    let replica = replica().await;
    let head = |length: &str| {
        format!(
            "POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        )
    };
    // Announced: refused before a byte of it was sent.
    let mut call = replica.caller().connect().await.unwrap();
    call.send(head(&format!("Content-Length: {}", LIMIT + 1)).as_bytes())
        .await
        .unwrap();
    assert_eq!(call.answer().await.unwrap().status, 413);
    // More than is there, in memory or in the world.
    let mut call = replica.caller().connect().await.unwrap();
    call.send(head("Content-Length: 18446744073709551614").as_bytes())
        .await
        .unwrap();
    let said = String::from_utf8(call.closed().await.unwrap()).unwrap();
    assert!(said.starts_with("HTTP/1.1 4"), "{said}");
    // Chunked: nothing is announced, and the answer comes while the client still sends.
    let before = replica.resident();
    let mut answers = Vec::new();
    for _ in 0..8 {
        let call = replica.caller().connect().await.unwrap();
        answers.push(tokio::spawn(endless(call, head("Transfer-Encoding: chunked"))));
    }
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(answer.await.unwrap());
    }
    // So many at once are more than is given to large bodies; some are told that instead.
    assert!(
        statuses.iter().all(|status| [413, 429, 408].contains(status)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&413), "{statuses:?}");
    let grown = replica.resident().saturating_sub(before);
    assert!(grown < 100, "grown by {grown} MB");
    // Less than announced: no review, and nothing is allowed.
    let mut call = replica.caller().connect().await.unwrap();
    call.send(&post("/mutate", config_map("x").to_string().as_bytes())[..300])
        .await
        .unwrap();
    let answer = call.answer().await.unwrap();
    assert_eq!(answer.status, 408, "{answer:?}");
    // Exactly the limit is read.
    let mut call = replica.caller().connect().await.unwrap();
    let padded = format!("{}{}", config_map("x"), " ".repeat(LIMIT));
    assert_eq!(
        call.post("/mutate", &padded.as_bytes()[..LIMIT])
            .await
            .unwrap()
            .status,
        200
    );
}

/// Sends chunks until it is answered.
async fn endless(call: Call, head: String) -> u16 {
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let (reading, mut writing) = tokio::io::split(call.stream);
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        writing.write_all(head.as_bytes()).await.unwrap();
        while writing.write_all(&chunk).await.is_ok() {}
    });
    use tokio::io::AsyncReadExt;
    let (mut reading, mut said) = (reading, vec![0; 12]);
    reading.read_exact(&mut said).await.unwrap();
    drop(reading);
    sending.abort();
    String::from_utf8(said).unwrap()[9..12].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_nested_ten_thousand_deep_is_refused() {
    // A05
    let mut call = replica().await.caller().connect().await.unwrap();
    let whole = config_map("deep").to_string();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        for body in [
            deep.clone(),
            whole.replace("\"b\"", &deep),
            whole.replace("null", &deep),
        ] {
            let answer = call.post("/validate", body.as_bytes()).await.unwrap();
            assert_eq!(answer.status, 400, "{}", answer.body);
        }
    }
    assert_usable(&mut call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_without_a_usable_uid_or_of_another_version_is_refused_and_any_other_uid_comes_back() {
    // A08
    let mut call = replica().await.caller().connect().await.unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut review = config_map("x");
        *review.pointer_mut(pointer).unwrap() = value;
        review.to_string()
    };
    for (pointer, value) in [
        ("/request/uid", json!(null)),
        ("/request/uid", json!("")),
        ("/request/uid", json!("u".repeat(10_240))),
        ("/request/uid", json!(7)),
        ("/apiVersion", json!("admission.k8s.io/v1beta1")),
        ("/apiVersion", json!("v1")),
        ("/request", json!(null)),
    ] {
        let answer = call
            .post("/mutate", changed(pointer, value.clone()).as_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{pointer} {answer:?}");
        // Where it is known whose it is, it is said.
        assert_eq!(
            answer.body.contains("uid \""),
            pointer == "/apiVersion",
            "{answer:?}"
        );
        assert!(answer.body.len() < 500, "{answer:?}");
    }
    let uid = "5f0a \" \\ \u{e4}";
    let mut review = config_map("x");
    review["request"]["uid"] = json!(uid);
    assert_eq!(call.review("/validate", &review).await.unwrap()["uid"], uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_and_connections_are_allowed_without_a_patch() {
    // A09
    let mut call = replica().await.caller().connect().await.unwrap();
    let mut deletion = config_map("x");
    deletion["request"]["operation"] = json!("DELETE");
    deletion["request"]["oldObject"] = deletion["request"]["object"].take();
    let mut exec = creation(
        "Pod",
        "nowhere",
        json!({ "apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"] }),
    );
    exec["request"]["operation"] = json!("CONNECT");
    exec["request"]["subResource"] = json!("exec");
    exec["request"]["name"] = json!("web");
    for review in [deletion, exec] {
        for path in ["/mutate", "/validate"] {
            let response = call.review(path, &review).await.unwrap();
            assert_eq!(response["allowed"], true, "{response}");
            assert!(response.get("patch").is_none(), "{response}");
            assert_eq!(response["uid"], review["request"]["uid"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_null_or_empty_is_patched_where_it_stands() {
    // A13
    let preview = ready_preview("absent").await;
    let caller = replica().await.caller();
    let fields = [
        "/metadata/labels",
        "/metadata/annotations",
        "/spec/containers/0/env",
        "/spec/volumes",
        "/spec/schedulingGates",
    ];
    // Each field in each way, beside every way of all others: three to the fifth.
    for number in 0..3_usize.pow(5) {
        let mut review = pod(&preview, Value::Null);
        for (at, field) in fields.iter().enumerate() {
            let (parent, key) = field.rsplit_once('/').unwrap();
            let parent = review["request"]["object"].pointer_mut(parent).unwrap();
            let parent = parent.as_object_mut().unwrap();
            match number / 3_usize.pow(at as u32) % 3 {
                0 => drop(parent.remove(key)),
                1 => drop(parent.insert(key.to_owned(), Value::Null)),
                _ => drop(parent.insert(key.to_owned(), json!({}))),
            }
        }
        // On a busy machine the API server may be too slow for a review, which is refused then.
        let response = eventually(SOON, "it is allowed", || async {
            let response = caller.review("/mutate", &review).await?;
            ensure!(response["allowed"] == true, "{review}: {response}");
            Ok(response)
        })
        .await
        .unwrap();
        let mut object = review["request"]["object"].take();
        let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let untouched = object["spec"].clone();
        json_patch::patch(&mut object, &patch).unwrap_or_else(|error| panic!("{error}: {patch} on {object}"));
        assert!(
            object["metadata"]["annotations"][keys::REVIEWED].is_string(),
            "{object}"
        );
        assert_eq!(
            object["spec"], untouched,
            "a Pod of a preview that is ready gets nothing else"
        );
    }
}
