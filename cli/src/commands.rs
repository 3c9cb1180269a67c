//! What is done: one file a verb.

mod check;
mod clone;
mod completion;
mod describe;
mod destroy;
mod diff;
mod doctor;
mod extend;
mod help;
mod list;
mod man;
mod planning;
mod refresh;
mod render;
mod verify;
mod wait;

pub use completion::answer as answer_shell;

use crate::args::{Alone, Cli, Verb};
use crate::cluster::connect;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::{self, Connection, Output};
use serde::Serialize;

/// What is to be done, read from what was typed before any cluster is asked.
enum Task {
    Clone(Box<settings::Clone>),
    Render(Box<settings::Clone>),
    List(Option<String>, Output),
    Describe(String, Output),
    Extend(settings::Extend),
    Destroy(settings::Destroy),
    Diff(settings::Diff),
    Refresh(settings::Refresh),
    Verify(settings::Verify),
    Check(settings::Check),
    Doctor(settings::Doctor),
    Alone(Alone),
}

impl Task {
    fn new(verb: Verb, connection: &Connection) -> Result<Self, Failure> {
        Ok(match verb {
            Verb::Clone(args) => Task::Clone(Box::new(settings::Clone::new(args, connection)?)),
            Verb::Render(args) => Task::Render(Box::new(settings::Clone::rendered(args, connection)?)),
            Verb::List(args) => Task::List(args.parent.map(settings::preview).transpose()?, args.output),
            Verb::Describe(args) => Task::Describe(settings::preview(args.name)?, args.output),
            Verb::Extend(args) => Task::Extend(settings::Extend::new(args)?),
            Verb::Destroy(args) => Task::Destroy(settings::Destroy::new(args)?),
            Verb::Diff(args) => Task::Diff(settings::Diff::new(args, connection)?),
            Verb::Refresh(args) => Task::Refresh(settings::Refresh::new(args, connection)?),
            Verb::Verify(args) => Task::Verify(settings::Verify::new(args)?),
            Verb::Check(args) => Task::Check(settings::Check::new(args)?),
            Verb::Doctor(args) => Task::Doctor(settings::Doctor::new(args)?),
            Verb::Alone(verb) => Task::Alone(verb),
        })
    }
}

/// Does what was typed.
pub async fn run(cli: Cli, printer: &Printer) -> Result<(), Failure> {
    let connection = Connection::new(&cli.global);
    let task = Task::new(cli.verb, &connection)?;
    let task = match task {
        Task::Check(settings) if !settings.cluster => return check::run(None, settings, printer).await,
        Task::Alone(verb) => return alone(verb, printer),
        task => task,
    };
    let cluster = connect(&connection).await?;
    let done = match task {
        Task::Clone(settings) => clone::run(&cluster, *settings, printer).await,
        Task::Render(settings) => render::run(&cluster, *settings, printer).await,
        Task::List(parent, output) => list::run(&cluster, parent, output, printer).await,
        Task::Describe(name, output) => describe::run(&cluster, &name, output, printer).await,
        Task::Extend(settings) => extend::run(&cluster, settings, printer).await,
        Task::Destroy(settings) => destroy::run(&cluster, settings, printer).await,
        Task::Diff(settings) => diff::run(&cluster, settings, printer).await,
        Task::Refresh(settings) => refresh::run(&cluster, settings, printer).await,
        Task::Verify(settings) => verify::run(&cluster, settings, printer).await,
        Task::Check(settings) => check::run(Some(&cluster), settings, printer).await,
        Task::Doctor(settings) => doctor::run(&cluster, settings, printer).await,
        Task::Alone(verb) => alone(verb, printer),
    };
    done.map_err(|failure| match failure.exit {
        Exit::NoCluster => failure.caused_by(format!("the context's server is {}", cluster.url)),
        _ => failure,
    })
}

/// What needs no cluster.
fn alone(verb: Alone, printer: &Printer) -> Result<(), Failure> {
    match verb {
        Alone::Completion(args) => completion::run(args.shell, printer),
        Alone::Man(args) => man::run(&args.output, printer),
        Alone::Help(args) => help::run(args.topic.as_deref(), printer),
    }
}

/// Writes data to stdout.
fn data(printer: &Printer, text: &str) -> Result<(), Failure> {
    printer
        .data(text)
        .map_err(|error| Failure::new(Exit::Failed, "cannot write to stdout").caused_by(error.to_string()))
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Exit::Failed, "cannot write JSON").caused_by(error.to_string()))
}

fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value)
        .map(|text| text.trim_end().to_owned())
        .map_err(|error| Failure::new(Exit::Failed, "cannot write YAML").caused_by(error.to_string()))
}
