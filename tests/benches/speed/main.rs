//! How fast admission is, beside an echo that does nothing on the same HTTP and TLS stack, how soon previews are sealed, and
//! how fast a clone is, beside a client that posts the same objects: `cargo bench --workspace`.
//!
//! `cargo bench --workspace -- direct overload` runs two of the parts. docs/performance.md says what each measures and what
//! came of it. What comes of it is compared with what should: anything wrong fails the bench.

mod added;
mod client;
mod clone;
mod cluster;
mod crowd;
mod direct;
mod figures;
mod memory;
mod overload;
mod seal;
mod servers;
mod start;

use std::process::ExitCode;

use anyhow::{Result, bail};
use understudy_tests::programs;

/// Every part, in the order in which they run.
const PARTS: [&str; 8] = [
    "direct", "overload", "added", "start", "memory", "seal", "clone", "crowd",
];

fn main() -> ExitCode {
    if let Some(code) = programs::dispatch() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let run = match (servers::role(&arguments), clone::order(&arguments)) {
        (Some(role), _) => servers::serve(role),
        (_, Some(order)) => clone::post(order),
        _ => measure(&arguments),
    };
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &[String]) -> Result<()> {
    // Cargo says `--bench`.
    let named: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(name)) {
        bail!("there is no part {unknown:?}; there are {}", PARTS.join(", "));
    }
    let wanted = |part: &str| named.is_empty() || named.contains(&part);
    figures::machine();
    if wanted("direct") || wanted("overload") {
        // One thread: the client's core is not the server's.
        servers::pin(std::process::id(), servers::CLIENT)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            if wanted("direct") {
                direct::measure().await?;
            }
            if wanted("overload") {
                overload::measure().await?;
            }
            anyhow::Ok(())
        })?;
        servers::unpin(std::process::id())?;
    }
    let parts = ["added", "start", "memory"]
        .into_iter()
        .filter(|part| wanted(part));
    let parts: Vec<&str> = parts.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if !parts.is_empty() {
            inside(&parts).await?;
        }
        if wanted("seal") {
            seal::measure().await?;
        }
        if wanted("clone") {
            clone::measure().await?;
        }
        if wanted("crowd") {
            crowd::measure().await?;
        }
        Ok(())
    })
}

/// The parts that need webhooks of the bench's own.
async fn inside(parts: &[&str]) -> Result<()> {
    let cluster = cluster::Cluster::start().await?;
    for part in parts {
        match *part {
            "added" => added::measure(&cluster).await?,
            "start" => start::measure(&cluster).await?,
            _ => memory::measure(&cluster).await?,
        }
    }
    Ok(())
}
