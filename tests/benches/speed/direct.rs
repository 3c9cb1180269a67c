//! Reviews over TLS, ours beside the echo: each sample, by 1, 8 and 64 clients, in rounds in which the two take turns.
//!
//! A ratio is of one round: what disturbs the machine for longer than that disturbs both. Of rates, and of processor time a
//! review: the client is not faster than the echo, so the ratio of rates alone would flatter us.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use understudy_bench::{Sample, Size};

use crate::client::{Call, Caller, post};
use crate::figures::Figures;
use crate::servers::{Kind, Server};

const ROUNDS: usize = 7;
const CLIENTS: [usize; 3] = [1, 8, 64];

/// One row of the table.
struct Row {
    sample: Sample,
    request: Vec<u8>,
    clients: usize,
    /// Reviews a second, the echo's and ours.
    rates: [Figures; 2],
    /// Microseconds of the processor a review, the echo's and ours.
    costs: [Figures; 2],
    /// Of rates and of costs.
    ratios: [Figures; 2],
    /// Ours, in milliseconds.
    latencies: Figures,
    shed: usize,
}

/// Measures and prints.
pub async fn measure() -> Result<()> {
    let echo = Server::start(Kind::Echo, Ipv4Addr::LOCALHOST, true).await?;
    let ours = Server::start(Kind::Ours, Ipv4Addr::LOCALHOST, true).await?;
    let mut rows: Vec<Row> = Sample::all()
        .flat_map(|sample| CLIENTS.map(|clients| Row::new(sample.clone(), clients)))
        .collect();
    for round in 0..ROUNDS {
        for row in &mut rows {
            let servers = if round % 2 == 0 {
                [(0, &echo), (1, &ours)]
            } else {
                [(1, &ours), (0, &echo)]
            };
            let mut found = [(0.0, 0.0); 2];
            for (which, server) in servers {
                found[which] = row
                    .run(server, which == 1)
                    .await
                    .with_context(|| row.sample.name())?;
            }
            row.take(found);
        }
        eprintln!("direct: round {} of {ROUNDS}", round + 1);
    }
    print(&rows);
    Ok(())
}

impl Row {
    fn new(sample: Sample, clients: usize) -> Self {
        Row {
            request: post(&sample.review),
            sample,
            clients,
            rates: Default::default(),
            costs: Default::default(),
            ratios: Default::default(),
            latencies: Figures::default(),
            shed: 0,
        }
    }

    /// Reviews a second, and microseconds of the processor for each.
    async fn run(&mut self, server: &Server, ours: bool) -> Result<(f64, f64)> {
        let caller = Caller::of(server)?;
        let mut calls = Vec::new();
        for _ in 0..self.clients {
            calls.push(caller.connect().await?);
        }
        let right = self.right(&mut calls[0], ours).await?;
        let time = Duration::from_millis(if self.sample.size == Size::Huge { 400 } else { 100 });
        let (started, before) = (Instant::now(), server.ran()?);
        let (request, right) = (self.request.as_slice(), right.as_slice());
        let loads = calls
            .into_iter()
            .map(|call| load(&caller, call, request, right, started + time));
        let loads = join_all(loads).await;
        let (took, ran) = (started.elapsed(), server.ran()? - before);
        let mut answered = 0;
        for load in loads {
            let (latencies, shed) = load?;
            answered += latencies.len();
            self.shed += shed;
            if ours {
                self.latencies.extend(latencies);
            }
        }
        ensure!(answered > 0, "nothing was answered");
        Ok((
            answered as f64 / took.as_secs_f64(),
            ran as f64 / 1e3 / answered as f64,
        ))
    }

    /// The first answer, if it is right. The facts stand still, so all others must be equal to it.
    async fn right(&self, call: &mut Call, ours: bool) -> Result<Vec<u8>> {
        let status = call.ask(&self.request).await?;
        ensure!(status == 200, "answered {status}");
        if ours {
            self.sample.check(call.body())?;
        }
        Ok(call.body().to_vec())
    }

    fn take(&mut self, found: [(f64, f64); 2]) {
        for (which, (rate, cost)) in found.into_iter().enumerate() {
            self.rates[which].push(rate);
            self.costs[which].push(cost);
        }
        let [echo, ours] = found;
        self.ratios[0].push(ours.0 / echo.0);
        self.ratios[1].push(echo.1 / ours.1);
    }
}

/// One client until `end`: how long each answer took, and how often it was sent away, as 64 who bring a megabyte each are.
async fn load(
    caller: &Caller,
    mut call: Call,
    request: &[u8],
    right: &[u8],
    end: Instant,
) -> Result<(Figures, usize)> {
    let (mut latencies, mut shed) = (Figures::default(), 0);
    while Instant::now() < end {
        let asked = Instant::now();
        match call.ask(request).await {
            Ok(200) => {
                latencies.took(asked.elapsed());
                ensure!(call.body() == right, "another answer than the right one");
            }
            // Who is told so before all of a body was read has to come again on another connection.
            Ok(408 | 429) | Err(_) => {
                shed += 1;
                call = caller.connect().await?;
            }
            Ok(status) => anyhow::bail!("answered {status}"),
        }
    }
    Ok((latencies, shed))
}

fn print(rows: &[Row]) {
    println!(
        "\n# Reviews over TLS, facts in hand, server and client on a core each; median (least–greatest) of {ROUNDS} rounds\n"
    );
    println!(
        "| sample | bytes | clients | echo/s | ours/s | ratio of rates | echo µs | ours µs | ratio of processor time | ours p50 ms | p99 ms | shed |"
    );
    println!("|---|--:|--:|--:|--:|---|--:|--:|---|--:|--:|--:|");
    for row in rows {
        println!(
            "| {} | {} | {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {} |",
            row.sample.name(),
            row.sample.review.len(),
            row.clients,
            row.rates[0].median(),
            row.rates[1].median(),
            row.ratios[0],
            row.costs[0].median(),
            row.costs[1].median(),
            row.ratios[1],
            row.latencies.median(),
            row.latencies.at(0.99),
            row.shed,
        );
    }
}
