//! The templates, checked as the CloudFormation templates that AWS makes of them.

mod defects;
mod deployed;
mod environments;
mod operations;
mod parameters;
mod rights;

use local::{
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
