//! What is done: one file a verb.

mod clone;
mod describe;
mod destroy;
mod extend;
mod list;
mod wait;

use crate::args::{Cli, Verb};
use crate::cluster::{Cluster, connect};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::{self, Connection};
use serde::Serialize;

/// Does what was typed.
pub async fn run(cli: Cli, printer: &Printer) -> Result<(), Failure> {
    let connection = Connection::new(&cli.global);
    // What was typed is read before the cluster is asked.
    match cli.verb {
        Verb::Clone(args) => {
            let settings = settings::Clone::new(args)?;
            clone::run(&reach(&connection).await?, settings, printer).await
        }
        Verb::List(args) => list::run(&reach(&connection).await?, args.parent, args.output, printer).await,
        Verb::Describe(args) => {
            let name = settings::preview(args.name)?;
            describe::run(&reach(&connection).await?, &name, args.output, printer).await
        }
        Verb::Extend(args) => {
            let settings = settings::Extend::new(args)?;
            extend::run(&reach(&connection).await?, settings, printer).await
        }
        Verb::Destroy(args) => {
            let settings = settings::Destroy::new(args)?;
            destroy::run(&reach(&connection).await?, settings, printer).await
        }
    }
}

async fn reach(connection: &Connection) -> Result<Cluster, Failure> {
    connect(connection).await
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
