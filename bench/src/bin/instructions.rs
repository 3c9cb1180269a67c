//! How many instructions decode → decide → patch → encode takes for each sample, compared with the figures stored beside.
//!
//! Counted by valgrind, so that neither load nor the machine's speed matter: twice, with some reviews and with twice as
//! many, so that the start cancels out. `--write` stores what was counted, `--profile NAME` says where it goes.

use anyhow::{Context, Result, bail, ensure};
use mimalloc::MiMalloc;
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread::{self, available_parallelism};
use understudy::admission::{self, Facts};
use understudy_bench::{Outcome, Sample, Size, facts};

/// That of `serve`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A change beyond this is one that somebody made.
const TOLERANCE: f64 = 0.03;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["run", name, times] => run(name, times),
        [] => compare(),
        ["--write"] => write(),
        ["--profile", name] => profile(name),
        _ => Err(anyhow::anyhow!("usage: instructions [--write | --profile NAME]")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is counted: one review, from bytes to bytes.
fn answer(review: &[u8], facts: &Facts) -> Result<String> {
    let request = admission::parse(review)?;
    let decision = admission::review(&request, facts);
    Ok(admission::answer(&request.uid, &decision).to_string())
}

fn run(name: &str, times: &str) -> Result<()> {
    let sample = named(name)?;
    let facts = facts();
    sample.check(answer(&sample.review, &facts)?.as_bytes())?;
    for _ in 0..times.parse()? {
        black_box(answer(black_box(&sample.review), &facts)?);
    }
    Ok(())
}

fn named(name: &str) -> Result<Sample> {
    let mut samples = Sample::all();
    let sample = samples.find(|sample| sample.name() == name);
    sample.with_context(|| format!("there is no sample {name:?}"))
}

/// Enough reviews that what differs from one to the next does not show, and that all samples together take a minute.
fn times(sample: &Sample) -> u64 {
    match (sample.outcome, sample.size) {
        // Read up to the object, whatever its size.
        (Outcome::NotOurs, _) => 200,
        (_, Size::Small | Size::Usual) => 50,
        (_, Size::Large) => 10,
        (_, Size::Huge) => 1,
    }
}

fn count(sample: &Sample) -> Result<u64> {
    let times = times(sample);
    let twice = executed(&sample.name(), 2 * times)?;
    Ok((twice - executed(&sample.name(), times)?) / times)
}

fn executed(name: &str, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--branch-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe()?)
        .args(["run", name, &times.to_string()])
        .output()
        .context("failed to run valgrind; install it: apt-get install valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "valgrind ended with {}:\n{said}",
        output.status
    );
    let line = said
        .lines()
        .find_map(|line| line.split_once("I   refs:").or(line.split_once("I refs:")));
    let (_, figure) = line.with_context(|| format!("valgrind counted nothing:\n{said}"))?;
    Ok(figure.trim().replace(',', "").parse()?)
}

/// All samples, as many at a time as there are cores.
fn counted() -> Result<Map<String, Value>> {
    let (samples, counts) = (Mutex::new(Sample::all()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(sample) = samples.lock().expect("no panic while held").next() else {
                        break;
                    };
                    let count = count(&sample);
                    counts
                        .lock()
                        .expect("no panic while held")
                        .push((sample.name(), count));
                }
            });
        }
    });
    let counts = counts.into_inner().expect("no panic while held");
    counts
        .into_iter()
        .map(|(name, count)| Ok((name, json!(count?))))
        .collect()
}

/// Other compilers make other instructions, and so do other processors.
fn toolchain() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("failed to run rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let of = |key| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .context("rustc does not say what it is")
    };
    Ok(format!("{} {}", of("release: ")?, of("host: ")?))
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

fn stored() -> Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(file())?)?)
}

fn compare() -> Result<()> {
    let toolchain = toolchain()?;
    let stored = stored()?;
    let stored = stored[&toolchain].as_object();
    let stored =
        stored.with_context(|| format!("no figures are stored for {toolchain}; store them with --write"))?;
    let counted = counted()?;
    let mut changed = Vec::new();
    println!(
        "{:24} {:>14} {:>14} {:>8}",
        "instructions a review", "stored", "counted", "change"
    );
    for sample in Sample::all() {
        let name = sample.name();
        let now = counted[&name].as_u64().context("not a count")?;
        let before = stored.get(&name).and_then(Value::as_u64);
        let before =
            before.with_context(|| format!("no figure is stored for {name}; store it with --write"))?;
        let change = now as f64 / before as f64 - 1.0;
        println!("{name:24} {before:>14} {now:>14} {:>+7.2}%", change * 100.0);
        if change.abs() > TOLERANCE {
            changed.push(name);
        }
    }
    if !changed.is_empty() {
        let limit = TOLERANCE * 100.0;
        bail!(
            "beyond ±{limit} %: {}; if that is meant, store the new figures with --write",
            changed.join(", ")
        );
    }
    Ok(())
}

fn write() -> Result<()> {
    let mut all = stored().unwrap_or_else(|_| json!({}));
    all[toolchain()?] = Value::Object(counted()?);
    Ok(std::fs::write(file(), format!("{all:#}\n"))?)
}

/// Inclusive by function.
fn profile(name: &str) -> Result<()> {
    let times = times(&named(name)?);
    let out = std::env::temp_dir().join(format!("understudy-profile-{}", std::process::id()));
    let status = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            &format!("--callgrind-out-file={}", out.display()),
        ])
        .arg(std::env::current_exe()?)
        .args(["run", name, &times.to_string()])
        .status()?;
    ensure!(status.success(), "valgrind ended with {status}");
    Command::new("callgrind_annotate")
        .args(["--inclusive=yes", "--threshold=95"])
        .arg(&out)
        .status()?;
    Ok(std::fs::remove_file(out)?)
}
