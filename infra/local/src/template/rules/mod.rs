//! The rules that the templates must keep, one file per subject.
//!
//! cfn-lint and checkov check each resource alone. These rules check how the resources of
//! SummarEase work together, for example that a queue's visibility time-out fits the time-out of
//! its worker. They run over the resolved templates of one environment ([`Estate`]).

mod api;
mod backups;
mod cache;
mod database;
mod deployments;
mod edge;
mod estate;
mod functions;
mod insights;
mod monitoring;
mod names;
mod network;
mod queues;
mod roles;
mod tables;
mod workers;

pub use estate::Estate;
pub(crate) use estate::number;

/// A rule adds a sentence to the findings for each thing that is wrong.
type Rule = fn(&Estate, &mut Vec<String>);

const RULES: [Rule; 17] = [
    queues::queues,
    workers::mappings,
    workers::concurrency,
    functions::functions,
    roles::roles,
    deployments::deployments,
    api::api,
    tables::tables,
    database::database,
    backups::backups,
    cache::cache,
    names::names,
    names::kept,
    edge::edge,
    edge::routing,
    network::network,
    monitoring::monitoring,
];

/// Everything that breaks a rule, in words.
pub fn findings(estate: &Estate) -> Vec<String> {
    let mut findings = Vec::new();
    for rule in RULES {
        rule(estate, &mut findings);
    }
    findings
}
