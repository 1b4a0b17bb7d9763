//! The pure crates calculate. They have no way to reach a store, the network, a file or the clock.
//!
//! What they need from outside is given to them, so that each test of them is fast and gives the
//! same result everywhere.

use std::{collections::HashSet, fs, path::PathBuf};

use cargo_metadata::{DependencyKind, PackageId};
use local::checkout::workspace;

use crate::{
    names::{Found, places, resolve, used},
    source::metadata,
};

const PURE: [&str; 4] = ["summarizer", "job", "quota", "capacity"];

/// Crates that reach the outside world. A star stands for any ending.
const FORBIDDEN_CRATES: [&str; 6] = ["sqlx", "redis", "aws-*", "tokio", "reqwest", "hyper"];

/// Parts of other crates and of the standard library that do, or that are random.
const FORBIDDEN_PATHS: [&[&str]; 11] = [
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["SystemTime"],
    &["Instant", "now"],
    &["OffsetDateTime", "now_utc"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
    &["Uuid", "now_v7"],
    &["Uuid", "new_v4"],
];

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN_CRATES.iter().any(|forbidden| match forbidden.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *forbidden,
    })
}

/// Everything that a package links, with the path of dependencies that leads to it.
fn dependencies(package: &PackageId) -> Vec<Vec<String>> {
    let graph = metadata().resolve.as_ref().expect("cargo resolves the workspace");
    let (mut seen, mut open, mut ways) = (HashSet::from([package]), vec![(package, Vec::new())], Vec::new());
    while let Some((package, way)) = open.pop() {
        let way = [way, vec![metadata()[package].name.to_string()]].concat();
        let node = graph.nodes.iter().find(|node| node.id == *package);
        let normal = node.into_iter().flat_map(|node| &node.deps).filter(|dependency| {
            let kinds = &dependency.dep_kinds;
            kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        });
        for dependency in normal {
            if seen.insert(&dependency.pkg) {
                open.push((&dependency.pkg, way.clone()));
            }
        }
        ways.push(way);
    }
    ways
}

#[test]
fn pure_crates_depend_on_nothing_that_reaches_outside() {
    for package in metadata().workspace_packages() {
        let manifest = package.manifest_path.strip_prefix(workspace()).unwrap();
        if PURE.iter().any(|name| manifest == format!("shared/{name}/Cargo.toml").as_str()) {
            for way in dependencies(&package.id) {
                assert!(!is_forbidden(way.last().unwrap()), "{} is to be pure", way.join(" -> "));
            }
        }
    }
}

#[test]
fn pure_code_uses_nothing_that_reaches_outside() {
    for name in PURE {
        let folder = PathBuf::from(format!("shared/{name}/src"));
        let mut files = HashSet::new();
        for place in places().filter(|place| place.module().file.starts_with(&folder)) {
            let file = &place.module().file;
            files.insert(file);
            for path in used(place) {
                let Found::Elsewhere(path) = resolve(place, path, 16) else {
                    continue;
                };
                let outside = FORBIDDEN_PATHS.iter().any(|forbidden| {
                    let mut parts = path.windows(forbidden.len());
                    parts.any(|part| part.iter().zip(*forbidden).all(|(part, forbidden)| part == forbidden))
                });
                let reaches_outside = outside || path.len() > 1 && is_forbidden(&path[0].replace('_', "-"));
                assert!(!reaches_outside, "{} is to be pure and uses {}", file.display(), path.join("::"));
            }
        }
        assert!(!files.is_empty(), "no file of {} was read", folder.display());
    }
}

/// The tests above would find what they are for.
#[test]
fn impurity_is_found() {
    let package = metadata().packages.iter().find(|package| package.name.as_str() == "local");
    let ways = dependencies(&package.expect("this package").id);
    for name in ["sqlx", "redis", "aws-sdk-s3", "tokio", "reqwest", "hyper"] {
        assert!(ways.iter().any(|way| way.last().is_some_and(|last| last == name)), "{name}");
        assert!(is_forbidden(name));
    }
    assert!(!is_forbidden("serde") && !is_forbidden("awsome"));
    let instance = places().find(|place| place.module().file.ends_with("cloud/instance.rs")).unwrap();
    let leads_to_files = |path: &&[String]| matches!(resolve(instance, path, 16), Found::Elsewhere(path) if path == ["std", "fs"]);
    assert!(used(instance).any(|path| leads_to_files(&path)));
    assert!(fs::metadata(workspace().join(&instance.module().file)).is_ok());
}
