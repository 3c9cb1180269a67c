//! The chart's README names every value, and no other.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::page;

/// Values that are one thing to whoever sets them, whatever their default holds.
const WHOLE: [&str; 2] = ["resources", "issuerRef"];

#[test]
fn every_value_of_the_chart_is_documented() -> Result<()> {
    let values: Value = serde_saphyr::from_str(&page("charts/understudy/values.yaml")?)?;
    let mut there = BTreeSet::new();
    paths(&values, "", &mut there);
    let text = page("charts/understudy/README.md")?;
    let (_, table) = text.split_once("| value |").context("no table of values")?;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let named = rows.filter_map(|row| row.split('|').nth(1));
    let documented: BTreeSet<String> = named
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned))
        .collect();
    assert_eq!(documented, there);
    Ok(())
}

fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let name = path.rsplit('.').next().unwrap_or_default();
    match value {
        Value::Object(fields) if !fields.is_empty() && !WHOLE.contains(&name) => {
            for (key, value) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                paths(value, &path, found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}
