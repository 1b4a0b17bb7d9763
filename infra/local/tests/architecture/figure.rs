//! The figure of the modules in ARCHITECTURE.md, drawn from the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use local::checkout::workspace;
use petgraph::{
    algo::{
        condensation, toposort,
        tred::{dag_to_toposorted_adjacency_list, dag_transitive_reduction_closure},
    },
    graph::{DiGraph, NodeIndex},
    visit::{EdgeRef, IntoEdgeReferences},
};

use crate::names::arrows;

const FILE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- module graph: drawn by a script -->";
const END: &str = "<!-- end of the module graph -->";

/// A box of the figure: the group that it belongs to, and its name.
type Room = (&'static str, String);

/// The room of a file: a crate, a module of `shared`, or a folder of `infra/local`. The roots of
/// `shared` and `infra/local` have none, for they only name their modules.
fn room(file: &Path) -> Option<Room> {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    let room = |group, name: &str| Some((group, name.trim_end_matches(".rs").to_owned()));
    match parts.as_slice() {
        ["functions", function, ..] => room("functions", function),
        ["shared" | "infra", .., "src", "lib.rs" | "main.rs"] if !is_crate_of_its_own(&parts) => None,
        ["shared", "src", module, ..] => room("shared", module),
        ["shared", name, ..] => room("shared, pure", name),
        ["infra", "local", "src", folder, ..] => room("infra/local", folder),
        _ => None,
    }
}

/// `shared/NAME/src/lib.rs`
fn is_crate_of_its_own(parts: &[&str]) -> bool {
    parts.len() == 4 && parts[0] == "shared"
}

/// The arrows between rooms without those that follow from others: if `a` uses `b` and `b` uses
/// `c`, an arrow from `a` to `c` would tell nothing new. Modules that use each other keep all their arrows.
fn drawn(all: &BTreeSet<(Room, Room)>) -> BTreeSet<(Room, Room)> {
    let (mut graph, mut nodes) = (DiGraph::<Room, ()>::new(), BTreeMap::<Room, NodeIndex>::new());
    for (from, to) in all {
        let [from, to] = [from, to].map(|room| *nodes.entry(room.clone()).or_insert_with(|| graph.add_node(room.clone())));
        graph.add_edge(from, to, ());
    }
    let whole = condensation(graph, true);
    let order = toposort(&whole, None).expect("a condensed graph has no circle");
    let (list, place) = dag_to_toposorted_adjacency_list::<_, u32>(&whole, &order);
    let (reduced, _) = dag_transitive_reduction_closure(&list);
    let circle = |room: &Room| whole.node_indices().find(|node| whole[*node].contains(room)).unwrap();
    let is_drawn = |(from, to): &&(Room, Room)| {
        let [from, to] = [from, to].map(circle);
        from == to
            || reduced
                .edge_references()
                .any(|edge| edge.source() == place[from.index()] && edge.target() == place[to.index()])
    };
    all.iter().filter(is_drawn).cloned().collect()
}

fn figure() -> String {
    let arrows = arrows(|target| target.is_shipped);
    let rooms = arrows.keys().filter_map(|(from, to)| Some((room(from)?, room(to)?)));
    let all: BTreeSet<(Room, Room)> = rooms.filter(|(from, to)| from != to).collect();
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (group, name) in all.iter().flat_map(|(from, to)| [from, to]) {
        groups.entry(group).or_default().insert(name);
    }
    let id = |(group, name): &Room| format!("{}_{name}", group.replace(|c: char| !c.is_alphanumeric(), "_"));
    let mut figure = String::from("```mermaid\nflowchart TD\n");
    for (group, names) in &groups {
        writeln!(
            figure,
            "  subgraph {}[\"{group}\"]",
            group.replace(|c: char| !c.is_alphanumeric(), "_")
        )
        .unwrap();
        for name in names {
            writeln!(figure, "    {}[\"{name}\"]", id(&(group, (*name).to_owned()))).unwrap();
        }
        figure += "  end\n";
    }
    for (from, to) in drawn(&all) {
        writeln!(figure, "  {} --> {}", id(&from), id(&to)).unwrap();
    }
    figure + "```\n"
}

#[test]
fn the_figure_of_the_modules_shows_the_source() {
    let text = fs::read_to_string(workspace().join(FILE)).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{FILE} has no line {BEGIN}"));
    // Before the figure is drawn for the first time, its end is where it begins.
    let (known, after) = rest.split_once(END).unwrap_or(("", rest));
    let new = format!("\n\n{}\n", figure());
    if std::env::var_os("UPDATE_GRAPH").is_some() {
        fs::write(workspace().join(FILE), [before, BEGIN, &new, END, after].concat()).unwrap();
    } else {
        assert_eq!(
            known, new,
            "the figure in {FILE} is old: run UPDATE_GRAPH=1 cargo test --test architecture"
        );
    }
}

#[test]
fn arrows_that_follow_from_others_are_not_drawn() {
    let room = |name: &str| ("shared", name.to_owned());
    let arrow = |from, to| (room(from), room(to));
    let all = BTreeSet::from([arrow("a", "b"), arrow("b", "c"), arrow("a", "c"), arrow("c", "d"), arrow("d", "c")]);
    let drawn = drawn(&all);
    assert!(!drawn.contains(&arrow("a", "c")));
    assert_eq!(drawn.len(), 4);
}
