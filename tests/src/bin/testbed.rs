//! `cargo testbed up | down | status`: a control plane with Understudy installed, to look at and to try things on.

use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use understudy_tests::programs;
use understudy_tests::testbed::record::{self, Record};
use understudy_tests::testbed::{InstallOptions, Options, TestBed};

/// Kubernetes' control plane, PostgreSQL and Understudy as processes on this machine.
#[derive(Parser)]
#[command(name = "cargo testbed", bin_name = "cargo testbed")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start a testbed and leave it running; prints the line to use it by
    ///
    /// If one runs already, its line is printed. The first start builds the control plane, in about eight minutes.
    Up {
        /// How many nodes there are
        #[arg(long, default_value_t = 3)]
        nodes: u16,
        /// Leave Understudy out
        #[arg(long)]
        bare: bool,
    },
    /// End every testbed that was left running, and whatever belongs to it
    ///
    /// Beds are a user's, not a terminal's: where several people share a user, name the one to end.
    Down {
        /// End the one in this directory alone, as `status` shows it
        directory: Option<PathBuf>,
    },
    /// Say what runs; exit code 3 if nothing does
    Status,
    /// Start a testbed, print its directory, and hold it until standard input ends
    #[command(hide = true)]
    Hold {
        /// End by a panic instead of orderly.
        #[arg(long)]
        panic: bool,
    },
}

/// Nothing runs.
const NOT_RUNNING: u8 = 3;

fn main() -> ExitCode {
    if let Some(code) = programs::dispatch() {
        return code;
    }
    match run(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            error
                .chain()
                .skip(1)
                .for_each(|cause| eprintln!("caused by: {cause}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Up { nodes, bare } => up(nodes, bare).await?,
        Verb::Down { directory } => down(directory.as_deref())?,
        Verb::Status => return status(),
        Verb::Hold { panic } => hold(panic).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn up(nodes: u16, bare: bool) -> Result<()> {
    let _lock = record::lock()?;
    let record = match record::running()?.pop() {
        Some(record) => {
            eprintln!("testbed: one is running already");
            record
        }
        None => start(nodes, bare).await?,
    };
    tell(&record)?;
    println!("export KUBECONFIG={}", record.kubeconfig.display());
    Ok(())
}

async fn start(nodes: u16, bare: bool) -> Result<Record> {
    let started = std::time::Instant::now();
    let bed = TestBed::start(Options {
        nodes,
        ..Options::default()
    })
    .await?;
    if !bare {
        bed.install(InstallOptions::default()).await?;
    }
    let record = bed.detach()?;
    eprintln!("testbed: up after {:.1} s", started.elapsed().as_secs_f64());
    Ok(record)
}

fn down(only: Option<&Path>) -> Result<()> {
    let _lock = record::lock()?;
    let mut records = record::running()?;
    if let Some(only) = only {
        records.retain(|record| record.directory() == only);
        ensure!(!records.is_empty(), "no testbed runs in {}", only.display());
    }
    if records.is_empty() {
        eprintln!("testbed: none is running");
    }
    for record in records {
        record.end()?;
        eprintln!("testbed: ended {}", record.directory().display());
    }
    record::sweep()
}

fn status() -> Result<ExitCode> {
    let records = record::running()?;
    for record in &records {
        tell(record)?;
        println!("export KUBECONFIG={}", record.kubeconfig.display());
    }
    if records.is_empty() {
        eprintln!("testbed: none is running; `cargo testbed up` starts one");
        return Ok(ExitCode::from(NOT_RUNNING));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what there is; on standard error, for standard output is what a shell evaluates.
fn tell(record: &Record) -> Result<()> {
    eprintln!("  directory   {}", record.directory().display());
    eprintln!("  API server  {}", record.server);
    eprintln!("  contexts    {}", record.contexts.join(", "));
    for server in &record.postgres {
        eprintln!(
            "  PostgreSQL  {} at {}:{}, superuser {}",
            server.name, server.host, server.port, server.username
        );
    }
    eprintln!(
        "  tools       {}, {}",
        record.kubectl.display(),
        record.helm.display()
    );
    eprintln!("  logs        {}", record.logs.display());
    for process in record.processes()? {
        let state = if process.running {
            "running"
        } else {
            process.exit.as_str()
        };
        eprintln!("  process     {:<24} {:>7}  {state}", process.name, process.pid);
    }
    Ok(())
}

async fn hold(panic: bool) -> Result<()> {
    let bed = TestBed::start(Options::default()).await?;
    // Ctrl-C ends this without ado, also below a shell that had it ignored, as it does for what runs in the background.
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        interrupted.recv().await;
        std::process::exit(130)
    });
    println!("{}", bed.path().display());
    let _ = stdin().read(&mut [0])?;
    assert!(!panic, "as was asked for");
    drop(bed);
    Ok(())
}
