//! `cargo local` and `cargo test` must compile the same libraries, or each of them compiles most of them
//! again. A library is compiled again if a development dependency asks for one more of its features.

use std::{collections::BTreeSet, process::Command};

use local::checkout::workspace;

/// Each library with its features, as they are compiled for this machine with these kinds of
/// dependencies.
fn libraries(kinds: &str) -> BTreeSet<String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap());
    command
        .args([
            "tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p} {f}", "--edges", kinds,
        ])
        .current_dir(workspace());
    let tree = command.output().unwrap();
    let error = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{error}");
    let lines = String::from_utf8(tree.stdout).unwrap();
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn development_dependencies_add_no_features() {
    let (usual, tested) = (libraries("normal,no-proc-macro"), libraries("normal,dev,no-proc-macro"));
    let again: Vec<&String> = usual.difference(&tested).collect();
    assert!(
        usual.len() > 100 && again.is_empty(),
        "with development dependencies these have more features, which infra/local/Cargo.toml has to name: {again:#?}"
    );
}
