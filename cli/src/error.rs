//! Errors for people: what, why, and the command to type next. Exit codes are documented constants.

use crate::printer::Printer;
use clap::ValueEnum;
use std::process::ExitCode;
use understudy::violation::printable;

/// One exit code per kind of failure; `understudy help exit-codes` explains them.
// An enumeration of values only so that all of them can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[repr(u8)]
pub enum Exit {
    /// Something failed that has no code of its own.
    Failed = 1,
    /// What was typed makes no sense.
    Usage = 2,
    /// No kubeconfig, or no answer from the server.
    NoCluster = 3,
    /// RBAC says no.
    NoRights = 4,
    /// The plan or the cluster's admission refuses it.
    Refused = 5,
    /// No such golden, preview or policy.
    NotFound = 6,
    /// The name is taken by something else.
    Taken = 7,
    /// Understudy is not installed in this cluster, or does not answer.
    NotInstalled = 8,
    /// Not done within the time given.
    NotInTime = 9,
    /// `check`: admission would refuse something.
    WouldRefuse = 10,
    /// `check`: facts are missing to decide.
    Undecided = 11,
    /// `doctor` found something that does not work.
    Unsound = 12,
    /// `diff`: the clone is not what it would be today.
    Differs = 13,
    /// `verify`: a promise is broken, or cannot be told to hold.
    Doubtful = 14,
    /// The cluster's Understudy and this command line are not of one age.
    OtherAge = 15,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// What it means, and what to do.
    pub fn explained(self) -> (&'static str, &'static str) {
        match self {
            Exit::Failed => (
                "something failed that has no code of its own",
                "read the lines `caused by`",
            ),
            Exit::Usage => ("what was typed makes no sense", "understudy help VERB"),
            Exit::NoCluster => (
                "there is no usable kubeconfig, or the server does not answer",
                "check --kubeconfig and --context",
            ),
            Exit::NoRights => (
                "the server, or a registry, does not let you",
                "ask for the right that is named, or log in again",
            ),
            Exit::Refused => (
                "the plan, a policy or admission refuses it",
                "every cause has its remedy; nothing was written unless it says so",
            ),
            Exit::NotFound => (
                "there is no such golden, preview, policy or image",
                "understudy list, or check the name",
            ),
            Exit::Taken => (
                "the name is taken by something else",
                "choose another one with --name",
            ),
            Exit::NotInstalled => (
                "Understudy is not installed in this cluster, or does not answer",
                "understudy doctor",
            ),
            Exit::NotInTime => (
                "it was not done within the time given",
                "what is missing is named; the same command goes on waiting",
            ),
            Exit::WouldRefuse => ("check: admission would refuse something", "mend what is named"),
            Exit::Undecided => (
                "check: facts are missing to decide",
                "give them, or use --cluster",
            ),
            Exit::Unsound => ("doctor: something does not work", "type the commands it names"),
            Exit::Differs => (
                "diff: the clone is not what it would be today",
                "understudy refresh NAME",
            ),
            Exit::Doubtful => (
                "verify: a promise is broken, or cannot be told to hold",
                "read the rows that are not proven",
            ),
            Exit::OtherAge => (
                "the cluster's Understudy is too old or too new for this command line",
                "use the command line of its version, or upgrade it",
            ),
            Exit::Interrupted => (
                "stopped by Ctrl-C, or the question was answered with no",
                "the hint says how to go on, or to undo",
            ),
        }
    }
}

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What could not be done.
    pub what: String,
    /// Why; one line each.
    pub causes: Vec<String>,
    /// The command to type next.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure that says what could not be done.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Failure {
            exit,
            what: what.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// Adds a line that says why.
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Says what to type next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the lines and returns the exit code.
    pub fn report(&self, printer: &Printer) -> ExitCode {
        printer.error(&printable(&self.what));
        for cause in &self.causes {
            for line in cause.lines() {
                printer.cause(&printable(line));
            }
        }
        if let Some(hint) = &self.hint {
            printer.hint(&printable(hint));
        }
        ExitCode::from(self.exit as u8)
    }
}
