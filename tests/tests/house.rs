//! What the house is built of: crates that may not come in, and a core that stays pure.
//!
//! Cargo's resolution in `cargo metadata` names more than is built: an optional dependency that only a weak feature
//! (`ring?/std`) mentions, and features that another member asks for. So the tree is walked here by features, as the
//! build does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

use cargo_metadata::cargo_platform::Cfg;
use cargo_metadata::{
    CargoOpt, Dependency, DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId,
};

const BUILT: [DependencyKind; 2] = [DependencyKind::Normal, DependencyKind::Build];

/// Cryptography is aws-lc, time is jiff, YAML is serde-saphyr; each of these would be a second one, or an unsafe one.
const UNWANTED: [&str; 8] = [
    "ring",
    "openssl-sys",
    "openssl",
    "native-tls",
    "chrono",
    "serde_yaml",
    "serde_yml",
    "unsafe-libyaml",
];

/// Client, runtime, network, randomness.
const IMPURE: [&str; 11] = [
    "kube-client",
    "kube-runtime",
    "tokio",
    "hyper",
    "hyper-util",
    "reqwest",
    "rustls",
    "rand",
    "rand_core",
    "getrandom",
    "fastrand",
];

#[test]
fn no_unwanted_crate_is_in_the_tree() {
    let house = House::read();
    let members: Vec<&str> = house
        .metadata
        .workspace_packages()
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    let tree = Tree::grow(&house, &members, true);
    for expected in ["aws-lc-rs", "jiff", "serde-saphyr", "proptest", "aws-lc-sys"] {
        assert!(tree.contains(expected), "the walk does not even find {expected}");
    }
    tree.assert_without(&UNWANTED);
}

/// Its normal dependencies: what tests and build scripts of others use never runs inside the core.
#[test]
fn the_core_has_neither_client_nor_runtime_nor_randomness() {
    let house = House::read();
    let tree = Tree::grow(&house, &["understudy"], false);
    for expected in ["kube-core", "k8s-openapi", "sha2", "typenum"] {
        assert!(tree.contains(expected), "the walk does not even find {expected}");
    }
    tree.assert_without(&IMPURE);
    tree.assert_without(&UNWANTED);
}

/// The walk finds what cargo itself builds, neither more nor less.
#[test]
fn the_walk_agrees_with_cargo() {
    let house = House::read();
    let tree = Tree::grow(&house, &["understudy-webhook"], false);
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package=understudy-webhook",
            "--edges=normal,build",
            "--prefix=none",
            "--format={p}",
        ])
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let ours: BTreeSet<&str> = tree.names();
    assert_eq!(ours, theirs);
}

/// Clippy reads `clippy.toml` beside the package's manifest, so these hold for the core alone.
#[test]
fn the_core_is_told_to_take_time_and_environment_as_parameters_and_nothing_from_chance() {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .with_file_name("shared")
            .join("clippy.toml"),
    );
    let text = text.unwrap();
    for path in [
        "jiff::Timestamp::now",
        "std::time::SystemTime::now",
        "std::time::Instant::now",
        "std::env::var",
        "std::env::var_os",
        "std::env::vars",
        "std::collections::HashMap",
        "std::collections::HashSet",
    ] {
        assert!(text.contains(&format!("\"{path}\"")), "{path} is not disallowed");
    }
}

/// What cargo knows of the workspace, for this machine's platform.
struct House {
    metadata: Metadata,
    host: String,
    cfgs: Vec<Cfg>,
}

impl House {
    fn read() -> Self {
        let rustc = |argument: &str| {
            let output = Command::new("rustc").arg(argument).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let version = rustc("-vV");
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap()
            .to_owned();
        let cfgs = rustc("--print=cfg")
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        // Offline: for this platform everything was fetched before this test could be built.
        let options = ["--locked", "--offline", &format!("--filter-platform={host}")].map(str::to_owned);
        let metadata = MetadataCommand::new()
            .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .features(CargoOpt::SomeFeatures(Vec::new()))
            .other_options(options)
            .exec()
            .unwrap();
        Self { metadata, host, cfgs }
    }
}

/// One package that is built, with what its features ask for.
#[derive(Clone, Default, PartialEq)]
struct Built {
    features: BTreeSet<String>,
    /// By which package it came in first; empty for a root.
    through: String,
}

/// The packages that are built for some roots.
struct Tree<'h> {
    house: &'h House,
    packages: HashMap<&'h PackageId, &'h Package>,
    nodes: HashMap<&'h PackageId, &'h Node>,
    roots: BTreeSet<&'h PackageId>,
    dev: bool,
    built: BTreeMap<&'h PackageId, Built>,
}

impl<'h> Tree<'h> {
    fn grow(house: &'h House, roots: &[&str], dev: bool) -> Self {
        let metadata = &house.metadata;
        let members = metadata.workspace_packages();
        let roots = members
            .iter()
            .filter(|member| roots.contains(&member.name.as_str()))
            .map(|member| &member.id);
        let resolve = metadata.resolve.as_ref().unwrap();
        let mut tree = Self {
            house,
            packages: metadata
                .packages
                .iter()
                .map(|package| (&package.id, package))
                .collect(),
            nodes: resolve.nodes.iter().map(|node| (&node.id, node)).collect(),
            roots: roots.collect(),
            dev,
            built: BTreeMap::new(),
        };
        for root in tree.roots.clone() {
            tree.enable(root, String::new(), ["default".to_owned()]);
        }
        // A feature may turn up for a package that was visited already, so until nothing changes any more.
        loop {
            let before = tree.built.clone();
            for id in before.keys() {
                tree.visit(id);
            }
            if tree.built == before {
                return tree;
            }
        }
    }

    fn visit(&mut self, id: &'h PackageId) {
        let package = self.packages[id];
        let asked = self.asked_for(package, &self.built[id].features);
        for dependency in &package.dependencies {
            let of_a_root =
                self.dev && self.roots.contains(id) && dependency.kind == DependencyKind::Development;
            let key = dependency.rename.as_ref().unwrap_or(&dependency.name);
            let wanted = !dependency.optional || asked.contains(&format!("dep:{key}"));
            if !wanted || !(BUILT.contains(&dependency.kind) || of_a_root) {
                continue;
            }
            let Some(found) = self.resolved(id, dependency) else {
                continue;
            };
            let mut features: Vec<String> = dependency.features.clone();
            features.extend(dependency.uses_default_features.then(|| "default".to_owned()));
            let prefix = format!("{key}/");
            features.extend(
                asked
                    .iter()
                    .filter_map(|item| item.strip_prefix(&prefix))
                    .map(str::to_owned),
            );
            self.enable(found, package.name.to_string(), features);
        }
    }

    /// Everything that these features of `package` mean: `dep:x`, and `x/feature` for a feature of a dependency.
    fn asked_for(&self, package: &Package, features: &BTreeSet<String>) -> BTreeSet<String> {
        let mut pending: Vec<String> = features.iter().cloned().collect();
        let mut known = BTreeSet::new();
        while let Some(item) = pending.pop() {
            match item.split_once('/') {
                Some((weak, feature)) if weak.ends_with('?') => {
                    known.insert(format!("{}/{feature}", weak.trim_end_matches('?')));
                }
                Some((dependency, _)) => {
                    known.extend([format!("dep:{dependency}"), item.clone()]);
                }
                None => {
                    if known.insert(item.clone()) {
                        pending.extend(package.features.get(&item).into_iter().flatten().cloned());
                    }
                }
            }
        }
        known
    }

    /// `None` where the dependency is for another platform.
    fn resolved(&self, id: &PackageId, dependency: &Dependency) -> Option<&'h PackageId> {
        let House { host, cfgs, .. } = self.house;
        if dependency
            .target
            .as_ref()
            .is_some_and(|target| !target.matches(host, cfgs))
        {
            return None;
        }
        let found = self.nodes[id].deps.iter().find(|found| {
            let package = self.packages[&found.pkg];
            *package.name == dependency.name
                && (dependency.req.matches(&package.version) || dependency.path.is_some())
                && found.dep_kinds.iter().any(|kind| kind.kind == dependency.kind)
        });
        found.map(|found| &found.pkg)
    }

    fn enable(&mut self, id: &'h PackageId, through: String, features: impl IntoIterator<Item = String>) {
        let built = self.built.entry(id).or_insert_with(|| Built {
            through,
            ..Built::default()
        });
        built.features.extend(features);
    }

    fn names(&self) -> BTreeSet<&str> {
        self.built
            .keys()
            .map(|id| self.packages[id].name.as_str())
            .collect()
    }

    fn contains(&self, name: &str) -> bool {
        self.names().contains(name)
    }

    fn assert_without(&self, unwanted: &[&str]) {
        let found = self.built.iter().filter_map(|(id, built)| {
            let package = self.packages[id];
            unwanted
                .contains(&package.name.as_str())
                .then(|| format!("{} {} by {}", package.name, package.version, built.through))
        });
        let found: Vec<String> = found.collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn the_role_for_people_is_what_the_rules_compare_with() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/understudy/templates/rbac-preview.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let role = text
        .split("\n---\n")
        .find(|part| part.contains("\n  name: understudy-preview-user\n"))
        .unwrap();
    // Only the labels are written by Helm.
    let plain: String = role
        .lines()
        .filter(|line| !line.contains("{{"))
        .map(|line| format!("{line}\n"))
        .collect();
    let role: serde_json::Value = serde_saphyr::from_str(&plain).unwrap();
    let list = |words: &[&str]| serde_json::json!(words);
    let wanted: Vec<_> = understudy::rights::PREVIEW_USER
        .iter()
        .map(|(groups, resources, verbs)| {
            serde_json::json!({ "apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs) })
        })
        .collect();
    assert_eq!(role["rules"], serde_json::json!(wanted));
}

#[test]
fn every_fault_and_attack_has_a_test_or_a_reason_why_not() {
    fn sources(directory: &Path, text: &mut String) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                sources(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = String::new();
    for directory in ["shared", "webhook", "cli", "tests", "fuzz"] {
        sources(&root.join(directory), &mut tests);
    }
    let named: BTreeSet<&str> = tests
        .lines()
        .filter_map(|line| line.trim().strip_prefix("//"))
        .flat_map(|comment| comment.split(|c: char| !c.is_ascii_alphanumeric()))
        .collect();
    let page = std::fs::read_to_string(root.join("docs/coverage.md")).unwrap();
    let excused = |id: &str| page.contains(&format!("\n| {id} | "));
    let ids = [('A', 21), ('B', 15), ('C', 29), ('F', 6)];
    let ids = ids
        .into_iter()
        .flat_map(|(group, last)| (1..=last).map(move |number| format!("{group}{number:02}")));
    // The other cases of these groups are of capabilities that are not there yet.
    let clones = [1, 2, 3, 5, 9, 10, 14, 15].map(|number| format!("D{number:02}"));
    let ids = ids.chain(clones);
    let (mut missing, mut idle) = (Vec::new(), Vec::new());
    for id in ids {
        match (named.contains(id.as_str()), excused(&id)) {
            (false, false) => missing.push(id),
            (true, true) => idle.push(id),
            _ => {}
        }
    }
    assert!(missing.is_empty(), "no test names {missing:?}");
    assert!(
        idle.is_empty(),
        "docs/coverage.md excuses what is tested: {idle:?}"
    );
}
