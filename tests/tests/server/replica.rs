//! A `serve` of a test's own, on ports that the kernel chooses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
pub use understudy_tests::previews::SOON;
pub use understudy_tests::replica::Options;
use understudy_tests::replica::{addresses, get, launch};
use understudy_tests::testbed::{Signal, TestBed, eventually, installed};

use crate::caller::Caller;
use crate::pki::Authority;

/// A running replica; it ends when dropped.
pub struct Replica {
    pub bed: TestBed,
    pub name: String,
    pub address: SocketAddr,
    pub health: SocketAddr,
    /// Signed what it serves with.
    pub authority: Authority,
    /// Holds what it serves with.
    pub tls: PathBuf,
}

impl Replica {
    pub async fn start(mut options: Options<'_>) -> Self {
        let bed = installed().await.bed().clone();
        let name = format!("replica-{:08x}", rand::random::<u32>());
        let tls = bed.path().join(&name);
        std::fs::create_dir(&tls).unwrap();
        let authority = Authority::new(&name);
        authority.server("understudy-webhook", 365).write(&tls);
        options.arguments.push(format!("--tls-dir={}", tls.display()));
        launch(&bed, &name, &options).await.unwrap();
        let (health, address) = addresses(&bed, &name).await.unwrap();
        let replica = Self {
            bed,
            name,
            address,
            health,
            authority,
            tls,
        };
        replica.wait_until_ready().await;
        replica
    }

    /// Who calls it, trusting its authority.
    pub fn caller(&self) -> Caller {
        Caller::new(self.address, self.authority.roots())
    }

    pub async fn wait_until_ready(&self) {
        eventually(SOON, "the replica is ready", || async {
            let (status, text) = self.get("/readyz").await?;
            ensure!(status == 200, "{status} {text}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// A GET at its health address.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        tokio::time::timeout(Duration::from_secs(5), get(self.health, path)).await?
    }

    /// The value of a metric, by its name and labels as they are printed; 0 if it is not there.
    pub async fn metric(&self, line: &str) -> f64 {
        let (_, text) = self.get("/metrics").await.unwrap();
        let value = text
            .lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    fn pid(&self) -> u32 {
        let states = self.bed.supervisor().states().unwrap();
        states.iter().find(|state| state.name == self.name).unwrap().pid
    }

    /// Lets it open no file of this number or above, from now on.
    pub fn limit_files(&self, files: u32) {
        let limit = Command::new("prlimit")
            .args([format!("--pid={}", self.pid()), format!("--nofile={files}:")])
            .status()
            .expect("failed to run prlimit; install it: apt-get install util-linux");
        assert!(limit.success(), "{limit}");
    }

    /// How long the processor has worked for it.
    pub fn processor_time(&self) -> Duration {
        // The name in parentheses may hold anything; of what follows, the 12th and 13th are time in hundredths (proc_pid_stat(5)).
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let hundredths: u64 = fields[11..13]
            .iter()
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(hundredths * 10)
    }

    /// Megabytes that its process has in memory.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    pub fn signal(&self, signal: Signal) {
        self.bed.supervisor().signal(&self.name, signal).unwrap();
    }

    /// How it ended.
    pub async fn end(&self) -> String {
        eventually(SOON, "the replica has ended", || async {
            let states = self.bed.supervisor().states()?;
            let state = states
                .into_iter()
                .find(|state| state.name == self.name)
                .context("never started")?;
            ensure!(!state.running, "it runs");
            Ok::<_, anyhow::Error>(state.exit)
        })
        .await
        .unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.bed.logs().join(format!("{}.log", self.name))).unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.bed.supervisor().signal(&self.name, Signal::SigKill);
    }
}
