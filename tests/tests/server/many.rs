//! Many clients, slow ones and silent ones: each costs a place until its deadline, and nobody else notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use understudy_tests::testbed::eventually;

use crate::caller::Caller;
use crate::replica::{Options, Replica, SOON};
use crate::reviews::config_map;

/// The longest deadlines of a client that keeps us waiting: handshake and head.
const DEADLINES: Duration = Duration::from_secs(10);

/// Asks one review after the other until `end`, on connections kept alive; how long each took, sorted.
async fn ask_until(caller: &Caller, mut end: impl FnMut() -> bool) -> Vec<Duration> {
    let mut call = caller.connect().await.unwrap();
    let (review, mut took) = (config_map("steady"), Vec::new());
    while !end() {
        let started = Instant::now();
        let response = call.review("/validate", &review).await.unwrap();
        took.push(started.elapsed());
        assert_eq!(response["allowed"], true);
        tokio::task::yield_now().await;
    }
    took.sort();
    took
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

/// How a client keeps a server waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slowness {
    Silent,
    HandshakeByByte,
    HeadByByte,
    Body,
}

const KINDS: [Slowness; 4] = [
    Slowness::Silent,
    Slowness::HandshakeByByte,
    Slowness::HeadByByte,
    Slowness::Body,
];

impl Slowness {
    /// Connects, is counted, is slow, and returns how long it was borne.
    async fn bear(self, replica: &Replica, caller: &Caller, arrived: &AtomicUsize) -> Duration {
        let by_byte = async |stream: &mut (dyn tokio::io::AsyncWrite + Unpin + Send), bytes: &[u8]| {
            let mut seconds = interval(Duration::from_secs(1));
            for byte in bytes.iter().cycle() {
                seconds.tick().await;
                if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
            }
        };
        if let Slowness::Silent | Slowness::HandshakeByByte = self {
            let started = Instant::now();
            let stream = TcpStream::connect(replica.address).await.unwrap();
            arrived.fetch_add(1, Ordering::SeqCst);
            let (mut reading, mut writing) = stream.into_split();
            let end = async { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await };
            // The beginning of a ClientHello of 512 bytes.
            let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
            match self {
                Slowness::Silent => drop(end.await),
                _ => tokio::select! { _ = end => {}, () = by_byte(&mut writing, &hello) => {} },
            }
            return started.elapsed();
        }
        let mut call = caller.connect().await.unwrap();
        arrived.fetch_add(1, Ordering::SeqCst);
        let started = Instant::now();
        let head = b"POST /mutate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999\r\n";
        if let Slowness::Body = self {
            call.send(head).await.unwrap();
            call.send(b"\r\n{").await.unwrap();
        }
        let (mut reading, mut writing) = tokio::io::split(call.stream);
        let end = async { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await };
        match self {
            Slowness::HeadByByte => tokio::select! { _ = end => {}, () = by_byte(&mut writing, head) => {} },
            _ => drop(end.await),
        }
        started.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_clients_are_dropped_at_their_deadlines_and_nobody_else_waits() {
    // B01
    let replica = Arc::new(Replica::start(Options::default()).await);
    let caller = replica.caller();
    // Beside it one that is left alone: what the machine does to both is nobody's fault here.
    let quiet = Replica::start(Options::default()).await;
    let (mut clients, arrived) = (tokio::task::JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for number in 0..1000 {
        let slowness = KINDS[number % KINDS.len()];
        let (replica, caller, arrived) = (replica.clone(), caller.clone(), arrived.clone());
        clients.spawn(async move { (slowness, slowness.bear(&replica, &caller, &arrived).await) });
    }
    // Before that it is their handshakes that take the time.
    eventually(SOON, "all of them are there", || async {
        let arrived = arrived.load(Ordering::SeqCst);
        ensure!(arrived == 1000, "{arrived}");
        Ok(())
    })
    .await
    .unwrap();
    let started = Instant::now();
    let over = || started.elapsed() > Duration::from_secs(3);
    let quiet = quiet.caller();
    let (during, beside) = tokio::join!(ask_until(&caller, over), ask_until(&quiet, over));
    assert_eq!(replica.get("/readyz").await.unwrap().0, 200);
    let (mut borne, mut left) = (
        Vec::new(),
        BTreeMap::from(KINDS.map(|slowness| (slowness, 1000 / KINDS.len()))),
    );
    let dropped = async {
        while let Some(client) = clients.join_next().await {
            let (slowness, time) = client.unwrap();
            *left.entry(slowness).or_default() -= 1;
            borne.push(time);
        }
    };
    if timeout(SOON, dropped).await.is_err() {
        let open = replica.metric("understudy_connections").await;
        panic!("not dropped: {left:?}; the server has {open} connections");
    }
    let longest = borne.iter().max().unwrap();
    // Some connect while the machine is busy with the handshakes of the others.
    assert!(*longest < DEADLINES + Duration::from_secs(10), "{longest:?}");
    let (during, beside) = (p99(&during), p99(&beside));
    assert!(
        during < beside * 3 + Duration::from_millis(50),
        "{during:?}, and {beside:?} beside it"
    );
    assert!(
        replica
            .metric(r#"understudy_connections_ended_total{cause="slow"}"#)
            .await
            >= 500.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_opened_ahead_is_kept_until_it_is_needed() {
    // The API server opens one more than it needs whenever another becomes free meanwhile, and uses it later. Closed on it
    // just then, its request would fail.
    let replica = Replica::start(Options::default()).await;
    let caller = replica.caller();
    let mut ahead = caller.connect().await.unwrap();
    // Who does not even begin the handshake is dropped at a deadline that comes later.
    Slowness::Silent
        .bear(&replica, &caller, &AtomicUsize::new(0))
        .await;
    ahead.review("/mutate", &config_map("needed")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_leave_room_for_whoever_asks() {
    // B02
    let replica = Replica::start(Options::default()).await;
    let caller = replica.caller();
    let mut kept = caller.connect().await.unwrap();
    kept.review("/mutate", &config_map("first")).await.unwrap();
    // As many as this process may have open beside the bed's own: the limit of open files stands at 20,000 in CI.
    let (mut idle, mut refused) = (Vec::new(), 0);
    for number in 0..10_000 {
        match TcpStream::connect(replica.address).await {
            Ok(stream) => idle.push(stream),
            Err(_) => refused += 1,
        }
        if number % 2_500 == 0 {
            assert_eq!(replica.get("/livez").await.unwrap().0, 200);
        }
    }
    assert!(refused < 1000, "{refused} of 10,000 were refused");
    let started = Instant::now();
    assert_eq!(
        caller.review("/mutate", &config_map("next")).await.unwrap()["allowed"],
        true
    );
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    // Of use before, so it was not the one to go.
    kept.review("/mutate", &config_map("second")).await.unwrap();
    assert!(replica.metric("understudy_connections").await <= 1100.0);
    assert!(
        replica
            .metric(r#"understudy_connections_ended_total{cause="full"}"#)
            .await
            > 5000.0
    );
    assert_eq!(replica.get("/readyz").await.unwrap().0, 200);
}
