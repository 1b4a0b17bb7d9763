//! The templates, checked as the CloudFormation templates that AWS makes of them.

mod defects;
mod deployed;
mod environments;
mod operations;
mod parameters;
mod phases;
mod rights;

use std::fs;

use local::{
    checkout::workspace,
    template::{self, REGIONS, rules::Estate, stack::Parameters},
    tools::python::Environment,
};
use serde_json::Value;

pub(super) fn estate(environment: &str) -> Estate {
    Environment::Tools.install().unwrap();
    template::estate(environment, &template::environments().unwrap()[environment])
        .unwrap()
        .0
}

/// The root template as CloudFormation, without values of its parameters.
pub(super) fn translated() -> Value {
    Environment::Tools.install().unwrap();
    let text = template::translate("template.yaml", &Parameters::new(), REGIONS[0]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The Rust code of a folder, without its tests.
pub(super) fn code_of(folder: &str) -> Vec<String> {
    let (mut code, mut folders) = (Vec::new(), vec![workspace().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(entry).unwrap();
                code.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
            }
        }
    }
    code
}
