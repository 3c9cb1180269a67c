//! Starting and ending processes through `supervise`, the keeper that outlives nobody.
//!
//! Every process of a bed is a child of `tests/testbed/supervise`, which ends them all when its standard input
//! closes. This end of that pipe is the only thing that keeps the bed alive; a panic, `Ctrl-C` or `SIGKILL` closes it
//! as surely as a drop does. The protocol is one JSON object a line, in its `protocol.go`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::directory::Directory;
use super::run_blocking;

/// The holder's end of the pipe.
pub struct Supervisor {
    directory: Directory,
    pipes: Mutex<Option<Pipes>>,
}

struct Pipes {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    detached: bool,
}

/// How to run one process.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// By which it is stopped and signalled, and its log is called.
    pub name: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables beside the few that are passed on (`PATH`, `HOME`, …).
    pub env: BTreeMap<String, String>,
    /// Appended to; empty means `<logs>/<name>.log`.
    pub log: PathBuf,
    /// The working directory; empty means ours.
    pub cwd: PathBuf,
    /// The user to run as, if another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Account>,
    /// What asks it to end.
    pub stop_by: Signal,
    /// What ends it when asking did not, or when `supervise` itself is killed.
    pub abort_by: Signal,
}

/// A user and group of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

/// The signals that tests send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "POSIX documents them")]
pub enum Signal {
    #[default]
    SigTerm,
    SigInt,
    SigQuit,
    SigKill,
    SigStop,
    SigCont,
    SigHup,
}

/// What is known of one process.
#[derive(Debug, Clone, Deserialize)]
pub struct State {
    /// As given at its start.
    pub name: String,
    /// Its number, also after its end.
    pub pid: u32,
    /// Whether it runs; a stopped one (`SIGSTOP`) does.
    pub running: bool,
    /// How it ended.
    #[serde(default)]
    pub exit: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: String,
    #[serde(default)]
    processes: Vec<State>,
}

impl Supervisor {
    /// Starts `supervise` for this directory.
    pub fn start(program: &Path, directory: &Directory) -> Result<Self> {
        // Not our standard error: a pipe there would stay open as long as a detached bed runs.
        let log = File::create(directory.log("supervise"))?;
        let mut child = Command::new(program)
            .arg("run")
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to run {}", program.display()))?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("supervise has no pipes");
        };
        let pipes = Pipes {
            child,
            commands,
            answers: BufReader::new(answers),
            detached: false,
        };
        Ok(Self {
            directory: directory.clone(),
            pipes: Mutex::new(Some(pipes)),
        })
    }

    /// Starts a process. A name may be used again once its process has ended.
    pub fn launch(&self, mut process: Process) -> Result<()> {
        if process.log.as_os_str().is_empty() {
            process.log = self.directory.log(&process.name);
        }
        let name = process.name.clone();
        self.ask(&json!({ "start": process }))
            .with_context(|| format!("failed to start {name}"))?;
        Ok(())
    }

    /// Ends a process and returns when it has ended. Blocks for seconds if it is slow to end.
    pub fn stop_and_wait(&self, name: &str) -> Result<()> {
        self.ask(&json!({ "stop": { "name": name } }))
            .with_context(|| format!("failed to stop {name}"))?;
        Ok(())
    }

    /// Ends a process and returns when it has ended.
    pub async fn stop(self: &std::sync::Arc<Self>, name: &str) -> Result<()> {
        let (supervisor, name) = (self.clone(), name.to_owned());
        run_blocking(move || supervisor.stop_and_wait(&name)).await
    }

    /// Sends a signal to a process that runs.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        self.ask(&json!({ "signal": { "name": name, "signal": signal } }))
            .with_context(|| format!("failed to signal {name}"))?;
        Ok(())
    }

    /// All processes, in the order of their start.
    pub fn states(&self) -> Result<Vec<State>> {
        self.ask(&json!({ "status": {} }))
    }

    /// `Err` with the end of its log if this process does not run.
    pub fn ensure_running(&self, name: &str) -> Result<()> {
        let states = self.states()?;
        let state = states
            .iter()
            .find(|state| state.name == name)
            .with_context(|| format!("{name} was never started"))?;
        if state.running {
            return Ok(());
        }
        bail!(
            "{name} has ended ({}); the end of its log:\n{}",
            state.exit,
            self.directory.log_tail(name)
        )
    }

    /// Lets the processes outlive the pipe.
    pub fn detach(&self) -> Result<()> {
        self.ask(&json!({ "detach": {} }))?;
        if let Some(pipes) = self.lock().as_mut() {
            pipes.detached = true;
        }
        Ok(())
    }

    /// Ends everything and returns when it has ended. After this every command fails.
    pub fn shut_down(&self) {
        if let Some(Pipes {
            mut child,
            commands,
            detached,
            ..
        }) = self.lock().take()
        {
            drop(commands);
            if !detached {
                // The only failure is that somebody else has waited for it.
                let _ = child.wait();
            }
        }
    }

    fn ask(&self, command: &serde_json::Value) -> Result<Vec<State>> {
        let mut guard = self.lock();
        let pipes = guard.as_mut().context("the testbed is shut down")?;
        let answer: Answer = converse(pipes, command).with_context(|| {
            format!(
                "supervise is gone; the end of its log:\n{}",
                self.directory.log_tail("supervise")
            )
        })?;
        if answer.error.is_empty() {
            Ok(answer.processes)
        } else {
            Err(anyhow!(answer.error))
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Pipes>> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn converse(pipes: &mut Pipes, command: &serde_json::Value) -> Result<Answer> {
    writeln!(pipes.commands, "{command}")?;
    let mut line = String::new();
    pipes.answers.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shut_down();
    }
}
