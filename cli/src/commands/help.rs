//! `understudy help`: a verb's own page, or what the exit codes mean.

use super::data;
use crate::args::Cli;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::table::table;
use clap::{CommandFactory, ValueEnum};
use clap_complete::engine::CompletionCandidate;

/// What is explained beside the verbs.
const EXIT_CODES: &str = "exit-codes";

/// Everything that is explained.
pub fn topics() -> Vec<CompletionCandidate> {
    let command = Cli::command();
    let verbs = command.get_subcommands().map(|verb| verb.get_name().to_owned());
    let topics = verbs.chain([EXIT_CODES.to_owned()]);
    topics.map(CompletionCandidate::new).collect()
}

/// Explains `topic`, or names what there is.
pub fn run(topic: Option<&str>, printer: &Printer) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(topic) = topic else {
        return data(printer, command.render_long_help().ansi().to_string().trim_end());
    };
    if topic == EXIT_CODES {
        return data(printer, &exit_codes());
    }
    match command.find_subcommand_mut(topic) {
        Some(verb) => data(printer, verb.render_long_help().ansi().to_string().trim_end()),
        None => {
            let verbs: Vec<_> = command.get_subcommands().map(|verb| verb.get_name()).collect();
            Err(
                Failure::new(Exit::Usage, format!("nothing is known about {topic:?}"))
                    .caused_by(format!(
                        "there is {EXIT_CODES}, and a page of {}",
                        verbs.join(", ")
                    ))
                    .hint("understudy --help"),
            )
        }
    }
}

/// Every exit code, what it means and what to do.
fn exit_codes() -> String {
    let done = ["0".to_owned(), "done".to_owned(), String::new()];
    let others = Exit::value_variants().iter().map(|exit| {
        let (means, next) = exit.explained();
        [(*exit as u8).to_string(), means.to_owned(), next.to_owned()]
    });
    table(
        ["CODE", "MEANS", "WHAT TO DO"],
        std::iter::once(done).chain(others),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_short_list_name_every_exit_code_alike() {
        let (page, short) = (exit_codes(), Cli::command().render_help().to_string());
        let listed: Vec<&str> = short
            .split("Exit codes: ")
            .nth(1)
            .unwrap()
            .split(',')
            .map(|entry| entry.trim().split(' ').next().unwrap())
            .collect();
        let codes = Exit::value_variants()
            .iter()
            .map(|exit| (*exit as u8).to_string());
        let codes: Vec<String> = std::iter::once("0".to_owned()).chain(codes).collect();
        let on_page: Vec<&str> = page
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(on_page, codes);
        assert_eq!(&listed[..codes.len()], codes);
    }
}
