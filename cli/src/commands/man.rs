//! `understudy man`: man pages, one a verb, from the very definitions that the parser uses.

use super::data;
use crate::args::Cli;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use clap::{CommandFactory, ValueEnum};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::{self, Write};
use std::path::Path;

/// Writes the pages into `directory` and names them on stdout.
pub fn run(directory: &Path, printer: &Printer) -> Result<(), Failure> {
    let pages = write(directory).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write into {}", directory.display()))
            .caused_by(error.to_string())
    })?;
    let count = pages.len();
    data(printer, &pages.join("\n"))?;
    printer.say(&format!(
        "{count} pages; read one with: man {}",
        directory.join("understudy.1").display()
    ));
    Ok(())
}

fn write(directory: &Path) -> io::Result<Vec<String>> {
    std::fs::create_dir_all(directory)?;
    let mut command = Cli::command();
    command.build();
    let mut written = Vec::new();
    let mut page = |file: String, text: Vec<u8>| {
        let path = directory.join(file);
        std::fs::write(&path, text)?;
        written.push(path.display().to_string());
        Ok::<_, io::Error>(())
    };
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let man = Man::new(verb.clone());
        let mut text = Vec::new();
        man.render(&mut text)?;
        page(man.get_filename(), text)?;
    }
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    man.render(&mut text)?;
    exit_status(&mut text)?;
    page(man.get_filename(), text)?;
    Ok(written)
}

fn exit_status(text: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", ["EXIT STATUS"]);
    let mut entry = |code: u8, means: &str| {
        roff.control("TP", []);
        roff.text([bold(code.to_string())]);
        roff.text([roman(means)]);
    };
    entry(0, "done");
    for exit in Exit::value_variants() {
        let (means, next) = exit.explained();
        entry(*exit as u8, &format!("{means}; {next}"));
    }
    roff.to_writer(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_the_first_one_says_what_the_exit_codes_mean() {
        let directory = std::env::temp_dir().join(format!("understudy-man-{}", std::process::id()));
        let pages = write(&directory).unwrap();
        let text = std::fs::read_to_string(directory.join("understudy.1")).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let verbs = Cli::command().get_subcommands().count();
        assert_eq!(pages.len(), verbs + 1);
        assert!(
            pages.iter().any(|page| page.ends_with("understudy-clone.1")),
            "{pages:?}"
        );
        assert!(text.contains("EXIT STATUS") && text.contains("130"), "{text}");
    }
}
