//! The end of a server: not ready first, then nobody new, and nobody's request is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::net::TcpStream;
use understudy_tests::testbed::{Signal, eventually};

use crate::caller::{Call, Caller, post};
use crate::replica::{Options, Replica, SOON};
use crate::reviews::config_map;

/// Asks as Go's client does until nobody is there any more: keeps a connection while it is not told to close, and takes a
/// new one when the server has closed it while it was idle.
async fn ask(caller: Caller, answered: Arc<AtomicU64>) {
    let request = post("/mutate", config_map("x").to_string().as_bytes());
    'connections: while let Ok(mut call) = caller.connect().await {
        loop {
            if is_closed(&mut call).await {
                continue 'connections;
            }
            call.send(&request)
                .await
                .expect("a request that is under way is taken");
            let answer = call.answer().await.expect("a request that was sent is answered");
            assert_eq!(answer.status, 200);
            answered.fetch_add(1, Ordering::SeqCst);
            if answer.head.contains("connection: close") {
                continue 'connections;
            }
        }
    }
}

/// Whether an idle connection has been closed, without waiting for it.
async fn is_closed(call: &mut Call) -> bool {
    use tokio::io::AsyncReadExt;
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::ZERO, call.stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_it_is_first_not_ready_then_drained_and_no_request_fails() {
    // B08
    let arguments = vec!["--drain-delay=2".to_owned()];
    let replica = Replica::start(Options {
        arguments,
        ..Options::default()
    })
    .await;
    let answered = Arc::new(AtomicU64::new(0));
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..16 {
        load.spawn(ask(replica.caller(), answered.clone()));
    }
    // One that stays idle, and one that speaks HTTP/2.
    let mut idle = replica.caller().connect().await.unwrap();
    idle.review("/mutate", &config_map("idle")).await.unwrap();
    eventually(SOON, "the load runs", || async {
        ensure!(answered.load(Ordering::SeqCst) > 200, "not yet");
        Ok(())
    })
    .await
    .unwrap();

    let told = Instant::now();
    replica.signal(Signal::SigTerm);
    eventually(SOON, "it is not ready", || async {
        let (status, text) = replica.get("/readyz").await?;
        ensure!(status == 503 && text == "stopping", "{status} {text}");
        Ok(())
    })
    .await
    .unwrap();
    // Whoever has not heard of it is still answered, and told not to stay.
    let mut late = replica.caller().connect().await.unwrap();
    let answer = late
        .post("/mutate", config_map("late").to_string().as_bytes())
        .await
        .unwrap();
    assert!(
        answer.status == 200 && answer.head.contains("connection: close"),
        "{answer:?}"
    );
    assert!(
        told.elapsed() < Duration::from_secs(2),
        "the machine is too slow for this test"
    );

    let before = answered.load(Ordering::SeqCst);
    load.join_all().await;
    assert!(answered.load(Ordering::SeqCst) > before);
    assert!(
        told.elapsed() >= Duration::from_secs(2),
        "taken in during the delay"
    );
    assert!(idle.closed().await.unwrap().is_empty());
    assert_eq!(replica.end().await, "exit status 0");
    assert!(told.elapsed() < Duration::from_secs(12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_is_half_said_is_heard_out() {
    // B08
    let replica = Replica::start(Options::default()).await;
    let request = post("/validate", config_map("begun").to_string().as_bytes());
    let request = String::from_utf8(request).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut call = replica.caller().connect().await.unwrap();
    call.send(format!("{head}\r\nExpect: 100-continue\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert!(call.told().await.unwrap().starts_with("http/1.1 100 "));
    replica.signal(Signal::SigTerm);
    eventually(SOON, "no new connection is taken", || async {
        let connected = TcpStream::connect(replica.address).await;
        ensure!(connected.is_err(), "one was taken");
        Ok(())
    })
    .await
    .unwrap();
    call.send(body.as_bytes()).await.unwrap();
    let answer = call.answer().await.unwrap();
    assert!(
        answer.status == 200 && answer.body.contains("\"allowed\":true"),
        "{answer:?}"
    );
    assert_eq!(replica.end().await, "exit status 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_clients_are_told_to_go_and_finish_what_they_began() {
    // B08
    use http_body_util::{BodyExt, Full};
    use hyper::body::Bytes;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let replica = Replica::start(Options::default()).await;
    let call = replica.caller().speaking(&["h2"]).connect().await.unwrap();
    let stream = TokioIo::new(call.stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut failed = None;
    let mut answered = 0;
    loop {
        if sender.ready().await.is_err() || sender.is_closed() {
            break;
        }
        if answered == 50 {
            replica.signal(Signal::SigTerm);
        }
        let request = hyper::Request::post("https://localhost/mutate")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(config_map("x").to_string())))
            .unwrap();
        match sender.send_request(request).await {
            Ok(answer) => {
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.unwrap();
                answered += 1;
            }
            // A stream that the farewell has shut out was never begun: the client asks elsewhere.
            Err(error) if error.is_closed() || error.is_canceled() => break,
            Err(error) => {
                let said = format!("{error:?}");
                let is_farewell = said.contains("REFUSED_STREAM") || said.contains("NO_ERROR");
                failed = Some(said).filter(|_| !is_farewell);
                break;
            }
        }
    }
    assert!(answered >= 50 && failed.is_none(), "{answered}: {failed:?}");
    connection.await.unwrap().unwrap();
    assert_eq!(replica.end().await, "exit status 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    // B08
    let arguments = vec!["--drain-delay=60".to_owned()];
    let replica = Replica::start(Options {
        arguments,
        ..Options::default()
    })
    .await;
    let told = Instant::now();
    replica.signal(Signal::SigTerm);
    eventually(SOON, "it is stopping", || async {
        ensure!(replica.get("/readyz").await?.0 == 503, "it is ready");
        Ok(())
    })
    .await
    .unwrap();
    replica.signal(Signal::SigTerm);
    assert_eq!(replica.end().await, "exit status 1");
    assert!(told.elapsed() < Duration::from_secs(30), "{:?}", told.elapsed());
}
