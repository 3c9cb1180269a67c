//! What the pages name is there.

use anyhow::{Context, Result};

use crate::{page, root};

const PAGES: [&str; 2] = ["README.md", "CONTRIBUTING.md"];

/// Either way: what the README names exists, and what exists is in the README.
#[test]
fn the_readmes_keys_are_those_of_the_code() -> Result<()> {
    let text = page("README.md")?;
    let code = page("shared/src/keys.rs")?;
    let code = code.split("/// Gate:").next().unwrap_or_default(); // gates are no keys
    let keys = |text: &str, quotes: &[char]| -> Vec<String> {
        let pieces = text
            .split(quotes)
            .filter_map(|piece| piece.strip_prefix("understudy.dev/"));
        let keys = pieces.map(|key| {
            key.split([':', ' '])
                .next()
                .unwrap_or_default()
                .replace("NAME", "")
        });
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| !key.is_empty());
        keys
    };
    let contract = text
        .split("\n## ")
        .find(|section| section.starts_with("The contract"))
        .context("no contract")?;
    assert_eq!(keys(contract, &['`']), keys(code, &['"']));
    Ok(())
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    for name in PAGES {
        let text = page(name)?;
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            assert!(root().join(target).is_file(), "{name}: {target} is not there");
        }
    }
    Ok(())
}

#[test]
fn the_image_is_built_as_the_project_is() -> Result<()> {
    let text = page("Containerfile")?;
    let toolchain = page("rust-toolchain.toml")?;
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .context("no channel")?
        .trim_matches('"');
    assert!(
        text.contains(&format!("/rust:{channel}-"))
            && text.contains(&format!("RUSTUP_TOOLCHAIN={channel}\n"))
    );
    let ignored = page(".containerignore")?;
    let copies = text
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"));
    for source in copies.flat_map(|line| {
        line.rsplit_once(' ')
            .map_or("", |(sources, _)| sources)
            .split(' ')
    }) {
        assert!(root().join(source).exists(), "{source} is not there to be copied");
        assert!(
            ignored.lines().any(|line| line == format!("!{source}")),
            "{source} is kept out by .containerignore"
        );
    }
    for member in ["webhook", "cli"] {
        let manifest = page(&format!("{member}/Cargo.toml"))?;
        let name = manifest
            .split("[[bin]]\nname = \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .context("no program")?;
        assert!(
            text.contains(&format!("/src/target/release/{name} ")),
            "{name} is not in the image"
        );
    }
    Ok(())
}
