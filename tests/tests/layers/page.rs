//! `docs/layers.md` says of each operation who holds it, and names the test that shows it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What the page calls this test binary.
const PREFIX: &str = "layers::";

#[test]
fn every_row_of_the_page_has_its_test_and_every_test_its_row() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("docs")
        .join("layers.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut named = BTreeSet::new();
    for row in page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| operation"))
    {
        let tests: Vec<&str> = row
            .split('`')
            .filter_map(|part| part.strip_prefix(PREFIX))
            .collect();
        assert!(!tests.is_empty(), "a row without a test: {row}");
        named.extend(tests.into_iter().map(str::to_owned));
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let there: BTreeSet<String> = list
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| !name.starts_with("page::"))
        .map(str::to_owned)
        .collect();
    assert!(there.len() > 20, "the list is not read: {list}");
    let unknown: Vec<_> = named.difference(&there).collect();
    assert!(
        unknown.is_empty(),
        "the page names tests that are not there: {unknown:?}"
    );
    let unnamed: Vec<_> = there.difference(&named).collect();
    assert!(unnamed.is_empty(), "the page has no row for {unnamed:?}");
}
