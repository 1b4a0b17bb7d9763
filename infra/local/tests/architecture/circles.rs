//! No source file depends on itself through others.
//!
//! Files that use each other in a circle can only be read, tested and changed together. The way out
//! is a lower file that holds what both sides need.

use std::{collections::HashMap, fmt::Write, path::Path};

use petgraph::{algo::tarjan_scc, graph::DiGraph};

use crate::names::{Arrows, arrows};

/// The circles among these arrows, each with all its arrows and the items that make them.
fn circles(arrows: &Arrows<'_>) -> Vec<String> {
    let (mut graph, mut nodes) = (DiGraph::<&Path, ()>::new(), HashMap::new());
    for (from, to) in arrows.keys() {
        let [from, to] = [*from, *to].map(|file| *nodes.entry(file).or_insert_with(|| graph.add_node(file)));
        graph.add_edge(from, to, ());
    }
    let circles = tarjan_scc(&graph).into_iter().filter(|files| files.len() > 1);
    let mut circles: Vec<_> = circles
        .map(|files| {
            let mut files: Vec<&Path> = files.into_iter().map(|node| graph[node]).collect();
            files.sort();
            let mut circle = format!("a circle of {} files:\n", files.len());
            for ((from, to), items) in arrows {
                if files.contains(from) && files.contains(to) {
                    writeln!(circle, "  {} -> {}: {}", from.display(), to.display(), items.join(", ")).unwrap();
                }
            }
            circle
        })
        .collect();
    circles.sort();
    circles
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles = circles(&arrows(|_| true));
    assert!(
        circles.is_empty(),
        "files use each other in circles; move what both sides need to a lower file\n\n{}",
        circles.join("\n")
    );
}

#[test]
fn a_circle_is_found_and_named_with_its_items() {
    let file = |name: &'static str| Path::new(name);
    let arrow = |from, to, item: &str| ((file(from), file(to)), vec![item.to_owned()]);
    let open = [
        arrow("a.rs", "b.rs", "One"),
        arrow("b.rs", "c.rs", "Two"),
        arrow("a.rs", "c.rs", "Two"),
    ];
    assert!(circles(&Arrows::from(open.clone())).is_empty());
    let mut closed = Arrows::from(open);
    closed.extend([arrow("c.rs", "a.rs", "Three")]);
    let found = circles(&closed).concat();
    for part in ["3 files", "a.rs -> b.rs: One", "b.rs -> c.rs: Two", "c.rs -> a.rs: Three"] {
        assert!(found.contains(part), "{part} is missing in {found}");
    }
}

/// The arrows of this very test: a name is followed through re-exports to the file that defines it,
/// and a child module's use of its parent is an arrow while `mod` is none.
#[test]
fn arrows_lead_to_the_file_that_defines_an_item() {
    let arrows = arrows(|_| true);
    let items = |from: &str, to: &str| {
        let found = arrows.get(&(Path::new(from), Path::new(to)));
        found.map(|items| items.join(" ")).unwrap_or_default()
    };
    let here = "infra/local/tests/architecture";
    let cloud = "infra/local/src/cloud";
    assert_eq!(items(&format!("{here}/circles.rs"), &format!("{here}/names.rs")), "Arrows arrows");
    assert_eq!(items(&format!("{here}/main.rs"), &format!("{here}/names.rs")), "");
    assert_eq!(
        items("infra/local/src/commands/down.rs", &format!("{cloud}/instance.rs")),
        "Instance"
    );
    assert!(items("infra/local/src/commands/status.rs", "infra/local/src/commands/mod.rs").contains("running"));
}
