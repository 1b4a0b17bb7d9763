//! What happens to each resource when a stack moves from one phase to another, and when a first
//! deployment fails half-way. `docs/phases.md` has the outcome.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    process::Command,
};

use local::{
    checkout::workspace,
    template::{self, rules::Estate, stack},
    tools::{process, python::Environment},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const FILE: &str = "docs/phases.md";
const BEGIN: &str = "<!-- worked out -->\n";
const RUNBOOK: &str = "infra/runbooks/change-phase.md";
const CHANGES: [(&str, &str); 5] = [
    ("startup", "growth"),
    ("growth", "scale"),
    ("startup", "scale"),
    ("scale", "growth"),
    ("growth", "startup"),
];
/// Lambda leaves this much concurrency unreserved
/// (docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html).
const UNRESERVED: f64 = 100.0;

/// What the schema of AWS says about a type of resource.
#[derive(Deserialize)]
struct Kind {
    /// JSON pointers to properties whose change replaces the resource.
    replacing: Vec<String>,
    /// JSON pointers to the properties that are its name.
    name: Vec<String>,
}

/// The resources of an environment by `stack/name`. Versions of functions are left out, because
/// every deployment makes new ones.
fn resources(estate: &Estate) -> BTreeMap<String, Value> {
    let stacks = estate.nested.iter().map(|(file, stack)| (file.as_str(), stack));
    let all = |(file, stack): (&str, &Map<String, Value>)| -> Vec<_> {
        let file = file.trim_end_matches(".yaml").to_owned();
        let kept = stack.iter().filter(|(_, resource)| resource["Type"] != "AWS::Lambda::Version");
        kept.map(|(name, resource)| (format!("{file}/{name}"), resource.clone())).collect()
    };
    stacks.chain([("root", &estate.root)]).flat_map(all).collect()
}

fn environment(phase: &str, deletion_protection: &str) -> Estate {
    Environment::Tools.install().unwrap();
    let (region, mut parameters) = template::environments().unwrap()[phase].clone();
    parameters.insert("DeletionProtection".to_owned(), deletion_protection.to_owned());
    template::estate(phase, &(region, parameters)).unwrap().0
}

fn kinds(estates: &BTreeMap<&str, BTreeMap<String, Value>>) -> BTreeMap<String, Kind> {
    let types: BTreeSet<String> = estates
        .values()
        .flat_map(BTreeMap::values)
        .map(|resource| stack::text(&resource["Type"]))
        .collect();
    let mut command = Command::new(Environment::Tools.bin().join("python"));
    command.arg(workspace().join("infra/local/python/create_only.py")).args(types);
    serde_json::from_str(&process::run(&mut command, "read the schemas").unwrap()).unwrap()
}

/// The name that the template gives to a resource. One that AWS names has none.
fn name(resource: &Value, kinds: &BTreeMap<String, Kind>) -> Option<String> {
    let kind = kinds.get(resource["Type"].as_str()?)?;
    let parts: Option<Vec<&Value>> = kind.name.iter().map(|pointer| resource["Properties"].pointer(pointer)).collect();
    let name = parts?.iter().map(|part| stack::text(part)).collect::<Vec<_>>().join(", ");
    // A reference to another resource is no name of its own.
    (!name.is_empty() && !name.contains('{')).then_some(name)
}

fn stays(resource: &Value) -> bool {
    resource["DeletionPolicy"].to_string().contains("Retain")
}

fn is_protected(resource: &Value) -> bool {
    ["DeletionProtection", "DeletionProtectionEnabled"]
        .iter()
        .any(|property| stack::text(&resource["Properties"][*property]) == "true")
}

/// The resources that CloudFormation replaces, with the properties because of which it does.
fn replaced(from: &BTreeMap<String, Value>, to: &BTreeMap<String, Value>, kinds: &BTreeMap<String, Kind>) -> BTreeMap<String, String> {
    let mut replaced = BTreeMap::new();
    loop {
        let before = replaced.len();
        for (path, new) in to {
            let Some((old, kind)) = from.get(path).zip(new["Type"].as_str().and_then(|kind| kinds.get(kind))) else {
                continue;
            };
            let file = path.split('/').next().unwrap();
            let changed = kind.replacing.iter().find(|pointer| {
                let (old, new) = (old["Properties"].pointer(pointer), new["Properties"].pointer(pointer));
                let of_replaced = |value: &Value| {
                    let value = value.to_string();
                    let mut others = replaced.keys().filter_map(|other: &String| other.strip_prefix(&format!("{file}/")));
                    others.any(|other| value.contains(&format!("\"{other}\"")) || value.contains(&format!("${{{other}")))
                };
                old != new || new.is_some_and(of_replaced)
            });
            if let Some(pointer) = changed.filter(|_| !replaced.contains_key(path)) {
                replaced.insert(path.clone(), pointer.trim_start_matches('/').to_owned());
            }
        }
        if replaced.len() == before {
            return replaced;
        }
    }
}

/// A row of the table for each resource that is replaced, stays behind, takes a name that may still
/// be in use, or cannot change while traffic moves
/// (github.com/aws/serverless-application-model/issues/1353).
fn rows(from: &BTreeMap<String, Value>, to: &BTreeMap<String, Value>, kinds: &BTreeMap<String, Kind>) -> Vec<(String, String, bool)> {
    let mut rows = Vec::new();
    for (path, property) in replaced(from, to, kinds) {
        let names = (name(&from[&path], kinds), name(&to[&path], kinds));
        let (what, hinders) = match names {
            (Some(old), Some(new)) if old == new => (format!("cannot be replaced for `{property}`, because `{old}` is in use"), true),
            (Some(old), Some(new)) => (format!("is replaced: `{old}` goes when `{new}` serves"), false),
            _ => (format!("is replaced, because `{property}` changes"), false),
        };
        let kept = stays(&from[&path]) || is_protected(&from[&path]);
        rows.push((path, what, hinders || kept));
    }
    for (path, resource) in from.iter().filter(|(path, resource)| !to.contains_key(*path) && stays(resource)) {
        let called = name(resource, kinds).map(|name| format!(", named `{name}`")).unwrap_or_default();
        rows.push((path.clone(), format!("stays and no longer belongs to the stack{called}"), true));
    }
    for (path, resource) in to.iter().filter(|(path, resource)| !from.contains_key(*path) && stays(resource)) {
        if let Some(name) = name(resource, kinds) {
            let what = format!("is made; delete `{name}` first if it remained from an earlier time in this phase");
            rows.push((path.clone(), what, true));
        }
    }
    for (path, new) in to {
        let provisioned = "/Properties/ProvisionedConcurrencyConfig";
        let changes = from
            .get(path)
            .is_some_and(|old| old.pointer(provisioned) != new.pointer(provisioned));
        if new["Type"] == "AWS::Lambda::Alias" && changes {
            let what = "gets another provisioned concurrency, which Lambda refuses during a gradual deployment";
            rows.push((path.clone(), what.to_owned(), true));
        }
    }
    rows.sort();
    rows
}

/// SAM keeps the present value of a parameter that an environment does not list
/// (`merge_parameters` of SAM CLI), so that a value of the phase before would stay. With the same
/// parameters in all of them, an environment alone says what a change of the phase leads to.
#[test]
fn every_environment_lists_the_same_parameters() {
    let environments = template::environments().unwrap();
    let listed: BTreeMap<&str, BTreeSet<&str>> = environments
        .iter()
        .map(|(name, (_, values))| (name.as_str(), values.keys().map(String::as_str).collect()))
        .collect();
    let all: BTreeSet<&str> = listed.values().flatten().copied().collect();
    for (name, own) in &listed {
        let missing: Vec<_> = all.difference(own).collect();
        assert!(missing.is_empty(), "{name} does not list {missing:?}");
    }
    assert_eq!(
        environments["scale"].1["BackupCopyRegion"], "",
        "growth copies backups, scale does not"
    );
}

/// The function `values` of each runbook, the parser of this crate, and SAM itself read the same.
#[test]
fn the_runbooks_hand_sam_the_values_of_a_phase() {
    Environment::Tools.install().unwrap();
    let environments = template::environments().unwrap();
    let read = "import json, sys; from samcli.cli.types import CfnParameterOverridesType as Type; print(json.dumps(Type().convert(sys.argv[1], None, None)))";
    let mut functions = BTreeSet::new();
    for entry in fs::read_dir(workspace().join("infra/runbooks")).unwrap() {
        let runbook = fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines = runbook.lines().map(|line| line.trim().to_owned());
        functions.extend(lines.filter(|line| line.starts_with("values()")));
    }
    assert!(functions.len() >= 4, "{functions:?}");
    for function in functions {
        // Some take the phase as an argument or a variable, others are for one phase only.
        let own = environments.keys().filter(|name| function.contains(&format!("[{name}\\.")));
        let own: Vec<&String> = own.collect();
        let phases = if own.is_empty() { environments.keys().collect() } else { own };
        for name in phases {
            let mut shell = Command::new("bash");
            shell
                .current_dir(workspace())
                .args(["-c", &format!("{function}\nPHASE={name}; values {name}")]);
            let handed = process::run(&mut shell, "read samconfig.toml").unwrap();
            let mut sam = Command::new(Environment::Tools.bin().join("python"));
            let taken = process::run(sam.args(["-c", read, &handed]), "parse the values").unwrap();
            let taken: stack::Parameters = serde_json::from_str(&taken).unwrap();
            assert_eq!(taken, environments[name].1, "{name}: {function}");
        }
    }
}

/// A resource that keeps data or a name is only replaced or left behind if the runbook says what to
/// do with it.
#[test]
fn every_change_of_phase_is_in_the_runbook() {
    let phases = ["startup", "growth", "scale"];
    let estates: BTreeMap<&str, _> = phases
        .into_iter()
        .map(|phase| (phase, resources(&environment(phase, "true"))))
        .collect();
    let kinds = kinds(&estates);
    let runbook = fs::read_to_string(workspace().join(RUNBOOK)).unwrap();
    let mut page = String::from("\n## Changes of the phase\n");
    for (from, to) in CHANGES {
        write!(page, "\n### From {from} to {to}\n\n| resource | what happens to it |\n|---|---|\n").unwrap();
        for (path, what, hinders) in rows(&estates[from], &estates[to], &kinds) {
            assert!(!what.starts_with("cannot"), "{from} to {to}: {path} {what}");
            let (_, resource) = path.split_once('/').unwrap();
            assert!(
                !hinders || runbook.contains(&format!("`{resource}`")),
                "{from} to {to}: {path} {what}. {RUNBOOK} does not name it."
            );
            writeln!(page, "| `{path}` | {what} |").unwrap();
        }
    }
    page += "\n## First deployments\n\n| phase | reserved concurrency | least limit of the account | refuses to be deleted while `DeletionProtection=true` |\n|---|---|---|---|\n";
    for phase in phases {
        let first = resources(&environment(phase, "false"));
        for (path, resource) in &first {
            let policy = &resource["DeletionPolicy"];
            assert!(
                policy != "Retain" && !is_protected(resource),
                "{phase}: {path} would stay after a first deployment that fails"
            );
        }
        let reserved = first
            .values()
            .filter_map(|resource| {
                stack::text(&resource["Properties"]["ReservedConcurrentExecutions"])
                    .parse::<f64>()
                    .ok()
            })
            .fold(0.0, |sum, reserved| sum + reserved);
        let least = if reserved > 0.0 { reserved + UNRESERVED } else { 10.0 };
        let protected: Vec<String> = estates[phase]
            .iter()
            .filter(|(_, resource)| is_protected(resource))
            .map(|(path, _)| format!("`{path}`"))
            .collect();
        writeln!(page, "| {phase} | {reserved} | {least} | {} |", protected.join(", ")).unwrap();
    }
    documented(&page);
}

/// A proxy in all subnets of the network, and a cache that takes the name of the one before it.
#[test]
fn a_change_that_cloudformation_would_refuse_is_found() {
    let [growth, scale] = ["growth", "scale"].map(|phase| resources(&environment(phase, "true")));
    let estates = BTreeMap::from([("growth", growth), ("scale", scale)]);
    let kinds = kinds(&estates);
    for (path, pointer, value) in [
        ("data/Proxy", "/VpcSubnetIds", json!(["a", "b", "c"])),
        ("data/ReadOnlyEndpoint", "/VpcSubnetIds", json!(["a", "b", "c"])),
        ("cache/User", "/UserName", json!("another")),
        ("data/Cluster", "/StorageEncrypted", json!(false)),
        ("root/LedgerTable", "/TableName", json!("ledger")),
    ] {
        let mut to = estates["scale"].clone();
        to.get_mut(path).unwrap()["Properties"][&pointer[1..]] = value;
        let found = rows(&estates["growth"], &to, &kinds);
        assert!(found.iter().any(|(row, _, hinders)| row == path && *hinders), "{path}: {found:?}");
    }
}

/// Compares the page with what was worked out. `UPDATE_PHASES=1 cargo test --test it -- template::phases`
/// writes it again.
fn documented(worked_out: &str) {
    let path = workspace().join(FILE);
    let page = fs::read_to_string(&path).unwrap();
    let head = page.split(BEGIN).next().unwrap();
    let wanted = format!("{head}{BEGIN}{worked_out}");
    if std::env::var_os("UPDATE_PHASES").is_some() {
        fs::write(&path, wanted).unwrap();
    } else {
        assert!(
            page == wanted,
            "{FILE} is out of date. Run `UPDATE_PHASES=1 cargo test --test it -- template::phases` to write it again."
        );
    }
}
