//! `understudy completion`: what a shell has to know, and what it then asks.
//!
//! A script of the shell calls this program again at each TAB, with the line so far: so verbs, flags and names are those of
//! this version and of this cluster. kubectl asks in its own way, by a program called `kubectl_complete-understudy`.

mod live;

use super::data;
use super::help::topics;
use crate::args::{Cli, Shell};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use clap::{Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};
use live::{contexts, goldens, policies, previews};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Set by the shells' scripts when they ask.
const VARIABLE: &str = "_UNDERSTUDY_COMPLETE";
/// How kubectl's program asks.
const VERB: &str = "__complete";
/// Nothing but these: what kubectl and cobra call ShellCompDirectiveNoFileComp.
const NOTHING_ELSE: &str = ":4";

const KUBECTL: &str = "#!/bin/sh
# Completes `kubectl understudy`. To be in PATH as kubectl_complete-understudy, and executable.
exec kubectl-understudy __complete \"$@\"";

/// Finds names.
type Names = fn() -> Vec<CompletionCandidate>;

/// Verb and argument whose values are names of what there is; those of no verb are every verb's.
const NAMED: [(&str, &str, Names); 13] = [
    ("", "context", contexts),
    ("clone", "goldens", goldens),
    ("clone", "policy", policies),
    ("render", "goldens", goldens),
    ("render", "policy", policies),
    ("list", "parent", goldens),
    ("describe", "name", previews),
    ("diff", "name", previews),
    ("verify", "name", previews),
    ("refresh", "name", previews),
    ("extend", "name", previews),
    ("destroy", "name", previews),
    ("help", "topic", topics),
];

/// Writes the script for `shell` to stdout.
pub fn run(shell: Shell, printer: &Printer) -> Result<(), Failure> {
    let adapter: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Kubectl => return data(printer, KUBECTL),
    };
    let (name, mut script) = ("understudy", Vec::new());
    adapter
        .write_registration(VARIABLE, name, name, name, &mut script)
        .map_err(|error| {
            Failure::new(Exit::Failed, "cannot write the script").caused_by(error.to_string())
        })?;
    data(printer, String::from_utf8_lossy(&script).trim())
}

/// Answers a shell, where it is one that runs this. In silence: an error would stand in the middle of a line.
pub fn answer(args: &[OsString]) -> Option<ExitCode> {
    let asked = std::env::var_os(VARIABLE).is_some_and(|shell| !shell.is_empty());
    let asked_by_kubectl = args.get(1).is_some_and(|verb| verb == VERB);
    let directory = std::env::current_dir().ok();
    let answered = if asked {
        let environment = CompleteEnv::with_factory(command).var(VARIABLE);
        environment
            .try_complete(args.to_vec(), directory.as_deref())
            .is_ok()
    } else if asked_by_kubectl {
        kubectl(&args[2..]).is_ok()
    } else {
        return None;
    };
    Some(if answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Exit::Failed as u8)
    })
}

/// The grammar, with the names of what there is.
fn command() -> Command {
    NAMED
        .into_iter()
        .fold(Cli::command(), |command, (verb, argument, names)| {
            let named = |command: Command| {
                command.mut_arg(argument, |argument| argument.add(ArgValueCandidates::new(names)))
            };
            match verb {
                "" => named(command),
                verb => command.mut_subcommand(verb, named),
            }
        })
}

/// One candidate a line, and how kubectl is to take them.
fn kubectl(words: &[OsString]) -> io::Result<()> {
    let mut line = vec![OsString::from("understudy")];
    line.extend(words.iter().cloned());
    if words.is_empty() {
        line.push(OsString::new());
    }
    let last = line.len() - 1;
    let candidates = complete(
        &mut command(),
        line,
        last,
        std::env::current_dir().ok().as_deref(),
    )?;
    let mut out = io::stdout().lock();
    for candidate in candidates {
        write!(out, "{}", candidate.get_value().to_string_lossy())?;
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        match help.lines().next() {
            Some(help) => writeln!(out, "\t{help}")?,
            None => writeln!(out)?,
        }
    }
    writeln!(out, "{NOTHING_ELSE}")
}
