//! README.md and CONTRIBUTING.md do what they say: their commands are run, their manifests applied, their tables compared.
//!
//! Blocks are run as they stand, by a shell, in their order. What cannot be had here is played by a stand-in on PATH: `cargo`
//! and `.ci/run` (the test run itself, and what other tests cover) and the registry. Blocks for *your cluster* are run as the
//! administrator, `helm` in them on a bed where nothing is installed yet; all others are run as the developer. A `text` block
//! after commands is what they print, among other things; `…` stands for anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use understudy_tests::shop;
use understudy_tests::testbed::{Options, TestBed, installed};

use crate::world::World;

mod blocks;
mod chart;
mod pages;
mod world;

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readme_does_what_it_says() -> Result<()> {
    let nothing_on_it = Options {
        nodes: 1,
        postgres: false,
    };
    let (understudy, bare) = tokio::join!(installed(), TestBed::start(nothing_on_it));
    let (bed, bare) = (understudy.bed(), bare?);
    // As the demo leaves it, but for the policy: that one is the README's, and so is the role that makes its branches.
    shop::without_policy(bed).await?;
    let world = World::on(bed, &bare)?;
    world.play("README.md").await?;
    world.cargo_knows_what_was_typed().await?;
    assert_eq!(world.log("podman")?.len(), 2, "the image is built and pushed");
    Ok(())
}

#[tokio::test]
async fn every_command_for_contributors_is_known() -> Result<()> {
    let world = World::without_a_bed()?;
    world.play("CONTRIBUTING.md").await?;
    world.cargo_knows_what_was_typed().await?;
    assert_eq!(world.log("run")?, [""], ".ci/run is what must hold");
    let mode = fs::metadata(root().join(".ci/run"))?.permissions().mode();
    assert_ne!(mode & 0o111, 0, ".ci/run cannot be executed");
    Ok(())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the house")
}

fn page(name: &str) -> Result<String> {
    fs::read_to_string(root().join(name)).with_context(|| format!("failed to read {name}"))
}
