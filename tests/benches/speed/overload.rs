//! Twice as many reviews as can be answered, whatever comes back; and how soon all is as before when it is over.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::{JoinHandle, JoinSet};
use understudy_bench::{Outcome, Sample, Size};

use crate::client::{Call, Caller, post};
use crate::figures::Figures;
use crate::servers::{Kind, Server};

/// Clients that find out what can be answered.
const CLIENTS: usize = 16;
/// How long more is asked than that.
const OVERLOAD: Duration = Duration::from_secs(8);
/// Who asks when all are busy opens one more connection, up to as many.
const MOST: usize = 1500;

/// What came of the requests of one phase.
#[derive(Default)]
struct Came {
    answered: Figures,
    shed: Figures,
    failed: usize,
    /// Never asked: as many clients as there may be were waiting.
    unasked: usize,
}

/// Measures and prints.
pub async fn measure() -> Result<()> {
    let server = Server::start(Kind::Ours, Ipv4Addr::LOCALHOST, true).await?;
    let sample = Sample::new(Size::Large, Outcome::Rewrite);
    let request: &'static [u8] = post(&sample.review).leak();
    let caller = Caller::of(&server)?;
    let mut alone = caller.connect().await?;
    ensure!(alone.ask(request).await? == 200, "not answered");
    sample.check(alone.body())?;
    let right: &'static [u8] = alone.body().to_vec().leak();

    let idle = one(&mut alone, request).await?;
    let capacity = capacity(&caller, request).await?;
    let (came, calls) = flood(&caller, request, right, 2.0 * capacity).await?;
    let over = Instant::now();
    // As before: a hundred in a row, and their 90th percentile no longer than twice what it was.
    let recovered = loop {
        let since = over.elapsed();
        if one(&mut alone, request).await?.at(0.9) < 2.0 * idle.at(0.9) {
            break since;
        }
        ensure!(over.elapsed() < Duration::from_secs(60), "it does not recover");
    };
    drop(calls);

    let asked = came.answered.len() + came.shed.len() + came.failed + came.unasked;
    println!(
        "\n# Overload: {} at twice the capacity for {} s\n",
        sample.name(),
        OVERLOAD.as_secs()
    );
    println!(
        "capacity {capacity:.0} reviews/s with {CLIENTS} clients, asked {:.0}/s",
        asked as f64 / OVERLOAD.as_secs_f64()
    );
    println!(
        "answered {} ({:.0} % of the capacity), p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms",
        came.answered.len(),
        100.0 * came.answered.len() as f64 / OVERLOAD.as_secs_f64() / capacity,
        came.answered.median(),
        came.answered.at(0.99),
        came.answered.at(1.0),
    );
    println!(
        "sent away {}, p50 {:.0} ms, longest {:.0} ms; failed {}, never asked {}",
        came.shed.len(),
        came.shed.median(),
        came.shed.at(1.0),
        came.failed,
        came.unasked
    );
    println!(
        "idle p90 {:.2} ms before; as before {:.0} ms after the end",
        idle.at(0.9),
        recovered.as_secs_f64() * 1e3
    );
    Ok(())
}

/// A hundred reviews in a row.
async fn one(call: &mut Call, request: &[u8]) -> Result<Figures> {
    let mut figures = Figures::default();
    for _ in 0..100 {
        let asked = Instant::now();
        ensure!(call.ask(request).await? == 200, "not answered");
        figures.took(asked.elapsed());
    }
    Ok(figures)
}

/// Reviews a second that are answered while there is always one to answer.
async fn capacity(caller: &Caller, request: &'static [u8]) -> Result<f64> {
    let mut clients = JoinSet::new();
    let mut calls = Vec::new();
    for _ in 0..CLIENTS {
        calls.push(caller.connect().await?);
    }
    let started = Instant::now();
    for mut call in calls {
        clients.spawn(async move {
            let mut answered = 0;
            while started.elapsed() < Duration::from_secs(3) {
                match call.ask(request).await? {
                    200 => answered += 1,
                    status => bail!("answered {status}"),
                }
            }
            anyhow::Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(client) = clients.join_next().await {
        answered += client??;
    }
    Ok(f64::from(answered) / started.elapsed().as_secs_f64())
}

/// Asks at `rate` whether or not there are answers; connections are kept and come back with what came.
async fn flood(
    caller: &Caller,
    request: &'static [u8],
    right: &'static [u8],
    rate: f64,
) -> Result<(Came, Vec<Call>)> {
    type Asked = JoinHandle<(Option<Call>, Result<u16>, Duration)>;
    let mut idle: Vec<Call> = Vec::new();
    let mut busy: Vec<Asked> = Vec::new();
    let mut came = Came::default();
    let (started, mut due) = (Instant::now(), 0.0);
    while started.elapsed() < OVERLOAD {
        let mut still = Vec::new();
        for asked in busy {
            match asked.is_finished() {
                true => idle.extend(came.take(asked.await?, right)),
                false => still.push(asked),
            }
        }
        busy = still;
        let wanted = started.elapsed().as_secs_f64() * rate;
        while due < wanted {
            due += 1.0;
            if idle.is_empty() && busy.len() >= MOST {
                came.unasked += 1;
                continue;
            }
            let (kept, caller) = (idle.pop(), caller.clone());
            busy.push(tokio::spawn(async move {
                let mut call = match kept {
                    Some(call) => call,
                    None => match caller.connect().await {
                        Ok(call) => call,
                        Err(error) => return (None, Err(error), Duration::ZERO),
                    },
                };
                let asked = Instant::now();
                let status = call.ask(request).await;
                let took = asked.elapsed();
                let kept = status.is_ok().then_some(call);
                (kept, status, took)
            }));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for asked in busy {
        let asked = asked.await.context("a client panicked")?;
        idle.extend(came.take(asked, right));
    }
    if came.answered.len() == 0 {
        bail!("nothing was answered");
    }
    Ok((came, idle))
}

impl Came {
    fn take(
        &mut self,
        (call, status, took): (Option<Call>, Result<u16>, Duration),
        right: &[u8],
    ) -> Option<Call> {
        match (&call, status) {
            (Some(call), Ok(200)) => {
                assert!(call.body() == right, "another answer than the right one");
                self.answered.took(took);
            }
            (_, Ok(429)) => self.shed.took(took),
            _ => self.failed += 1,
        }
        call
    }
}
