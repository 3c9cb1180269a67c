//! `understudy verify`: what isolates a preview, proven row by row against what is there.
//!
//! Guarantees: a row says `proven` only after everything that it names was read. By the rules of admission and the laws of
//! planning, never by a second opinion.

mod branches;
mod golden;
mod row;
mod rules;
mod sight;
mod standing;

use super::{data, json, yaml};
use crate::branch::Trust;
use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::{ReportOutput, Verify};
use crate::table::table;
use row::{Row, State};
use serde_json::{Value, json};
use sight::Sight;
use understudy::violation::printable;

/// Looks at a preview and reports on it.
pub async fn run(cluster: &Cluster, settings: Verify, printer: &Printer) -> Result<(), Failure> {
    let authority = settings.database_ca.as_deref().map(Trust::pem);
    if let Some(None) = authority {
        return Err(Failure::new(Exit::Usage, "--database-ca holds no certificate"));
    }
    let sight = Sight::read(cluster, &settings.name, authority.flatten().as_ref()).await?;
    let rows = checklist(&sight);
    let text = match settings.output {
        ReportOutput::Table => lines(&rows),
        ReportOutput::Markdown => markdown(&settings.name, &rows),
        ReportOutput::Json => json(&document(&settings.name, &rows))?,
        ReportOutput::Yaml => yaml(&document(&settings.name, &rows))?,
    };
    data(printer, &text)?;
    let doubted: Vec<&Row> = rows.iter().filter(|row| row.state != State::Proven).collect();
    let Some(worst) = doubted.iter().max_by_key(|row| row.state) else {
        return Ok(());
    };
    let what = format!(
        "{} of {} promises are not proven for {}",
        doubted.len(),
        rows.len(),
        settings.name
    );
    let failure = Failure::new(Exit::Doubtful, what);
    Err(match &worst.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    })
}

fn checklist(sight: &Sight) -> Vec<Row> {
    let objections = rules::all(sight);
    let mut rows = vec![
        standing::policy(sight),
        standing::guardrails(sight),
        standing::lease(sight),
        rules::pods(sight),
        golden::references(sight),
        golden::secrets(sight, &objections),
        golden::marks(sight),
        branches::row(sight),
    ];
    rows.extend(rules::rows(sight, &objections));
    rows
}

fn lines(rows: &[Row]) -> String {
    let mut cells = Vec::new();
    for row in rows {
        cells.push([
            row.state.word().to_owned(),
            row.check.to_owned(),
            row.looked.clone(),
        ]);
        let evidence = row.evidence.iter().map(|why| format!("  {why}"));
        let hint = row.hint.iter().map(|hint| format!("→ {hint}"));
        cells.extend(
            evidence
                .chain(hint)
                .map(|line| [String::new(), String::new(), line]),
        );
    }
    table(["STATE", "CHECK", "LOOKED AT"], cells)
}

/// A comment for a pull request.
fn markdown(name: &str, rows: &[Row]) -> String {
    let proven = rows.iter().filter(|row| row.state == State::Proven).count();
    let mut lines = vec![
        format!("### {name}: {proven} of {} promises proven", rows.len()),
        String::new(),
        "| | check | looked at |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for row in rows {
        let mut cell = escaped(&row.looked);
        for why in &row.evidence {
            cell.push_str(&format!("<br>{}", escaped(why)));
        }
        let state = match row.state {
            State::Proven => "✅ proven",
            State::Unknown => "❔ unknown",
            State::Broken => "❌ **broken**",
        };
        lines.push(format!("| {state} | {} | {cell} |", row.check));
    }
    lines.join("\n")
}

/// A text from a cluster must neither end its cell nor become markup, nor call somebody by name.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in printable(text).chars() {
        if matches!(
            c,
            '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' | '@' | '#'
        ) {
            out.push('\\');
        }
        out.push(c);
        if c == '@' {
            out.push('\u{200b}');
        }
    }
    out
}

fn document(name: &str, rows: &[Row]) -> Value {
    let worst = rows.iter().map(|row| row.state).max().unwrap_or(State::Proven);
    json!({ "name": name, "state": worst, "rows": rows })
}

#[cfg(test)]
mod tests;
