//! Metrics, alarms and runbooks fit together.

use std::fs;

use local::checkout::workspace;

use super::code_of;

#[test]
fn every_metric_is_emitted_by_a_function() {
    let names = fs::read_to_string(workspace().join("shared/src/telemetry.rs")).unwrap();
    let code = [code_of("functions"), code_of("shared/src")].concat().concat();
    for value in shared::telemetry::metric::ALL {
        let name = names
            .split(&format!(": &str = \"{value}\""))
            .next()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap();
        assert!(code.contains(&format!("metric::{name}")), "{value} is emitted nowhere");
    }
}

#[test]
fn every_runbook_that_an_alarm_names_is_there() {
    let text = fs::read_to_string(workspace().join("infra/monitoring.yaml")).unwrap();
    let named: Vec<_> = text
        .split("See ")
        .skip(1)
        .map(|rest| rest.split_whitespace().next().unwrap().trim_end_matches('.'))
        .collect();
    assert!(named.len() >= 7);
    for path in named {
        assert!(workspace().join(path).is_file(), "{path}");
    }
}

/// An operator must be able to follow a runbook without searching, so it defines every variable
/// that its commands use.
#[test]
fn every_runbook_defines_what_it_uses() {
    let letters = |c: char| c.is_ascii_uppercase() || c == '_';
    for entry in fs::read_dir(workspace().join("infra/runbooks")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for used in text.split('$').skip(1) {
            let name = used.trim_start_matches('{');
            let name = &name[..name.find(|c| !letters(c)).unwrap_or(name.len())];
            let defined = [" ", "\n", "("].iter().any(|before| text.contains(&format!("{before}{name}=")));
            assert!(name.is_empty() || defined, "{} uses {name}", path.display());
        }
    }
}
