//! The templates, and checks of them that need no account.
//!
//! SAM validates `template.yaml` and translates it to CloudFormation. cfn-lint and checkov check
//! the translation, because they do not look inside functions of a SAM template. [`rules`] are our
//! own.

pub mod check;
pub mod rules;
pub mod stack;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    checkout::workspace,
    tools::{process, python::Environment},
};
use rules::Estate;
use stack::{Parameters, Stack, entries, text};

/// Regions whose resource types and limits the templates are checked against.
pub const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-1"];

/// The name of the stack in every environment of `samconfig.toml` that is deployed to AWS.
pub const STACK: &str = "summarease";

/// Templates that the root nests, or that are deployed by themselves.
pub const NESTED: [&str; 8] = [
    "network.yaml", "data.yaml", "cache.yaml", "backup.yaml", "monitoring.yaml", "domain.yaml", "edge.yaml", "global.yaml",
];

/// The environments of `samconfig.toml` that are deployed to AWS: the region, if there is one, and
/// the parameters.
///
/// # Errors
/// If the file cannot be read.
pub fn environments() -> Result<BTreeMap<String, (Option<String>, Parameters)>> {
    let file = fs::read_to_string(workspace().join("samconfig.toml"))?;
    let file: Value = toml::from_str(&file).context("samconfig.toml")?;
    let mut environments = BTreeMap::new();
    for (name, environment) in entries(&file) {
        let deploy = &environment["deploy"]["parameters"];
        let Some(overrides) = deploy["parameter_overrides"].as_array() else {
            continue;
        };
        let parameters: Option<Parameters> = overrides
            .iter()
            .map(|pair| {
                pair.as_str()?
                    .split_once('=')
                    .map(|(name, value)| (name.to_owned(), unquoted(value).to_owned()))
            })
            .collect();
        let parameters = parameters.with_context(|| format!("samconfig.toml: parameter_overrides of {name} must be NAME=VALUE"))?;
        environments.insert(name.clone(), (deploy["region"].as_str().map(str::to_owned), parameters));
    }
    Ok(environments)
}

/// The value that SAM reads. It refuses `NAME=` and takes `NAME=""`.
fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

/// All stacks of an environment, and the translated root template.
///
/// # Errors
/// If a template cannot be translated, or does not allow the parameters.
pub fn estate(name: &str, environment: &(Option<String>, Parameters)) -> Result<(Estate, Value)> {
    let (region, parameters) = environment;
    let region = region.as_deref().unwrap_or(REGIONS[0]);
    let root: Value = serde_json::from_str(&translate("template.yaml", parameters, region)?)?;
    let estate = assemble(name, &root, parameters, region)?;
    Ok((estate, root))
}

/// Resolves a translated root template and the stacks that it nests.
///
/// # Errors
/// If a template does not allow its parameters.
pub fn assemble(name: &str, root: &Value, parameters: &Parameters, region: &str) -> Result<Estate> {
    let stack = Stack::new(STACK, root, parameters, region);
    refuse(name, &stack)?;
    let resources = stack.resources();
    let (mut nested, mut outputs) = (BTreeMap::new(), BTreeMap::new());
    let mut nests: Vec<_> = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::CloudFormation::Stack")
        .collect();
    // The stores are in the network, so its outputs are known first.
    nests.sort_by_key(|(nest, _)| *nest != "NetworkStack");
    for (nest, resource) in nests {
        let properties = &resource["Properties"];
        let file = text(&properties["TemplateURL"]).rsplit('/').next().unwrap_or_default().to_owned();
        let template: Value = serde_json::from_str(&translate(&format!("infra/{file}"), &Parameters::new(), region)?)?;
        let given = entries(&properties["Parameters"])
            .map(|(name, value)| {
                let value = stack::placeholder(value);
                (name.clone(), outputs.get(&value).cloned().unwrap_or(value))
            })
            .collect();
        // A name like the ones that CloudFormation makes.
        let own = format!("{STACK}-{nest}-1A2B3C4D5E6F7");
        let stack = Stack::new(&own, &template, &given, region);
        refuse(&format!("{name}, {file}"), &stack)?;
        if nest == "NetworkStack" {
            let known = |(output, value)| (format!("${{{nest}.Outputs.{output}}}"), stack::placeholder(&value));
            outputs.extend(stack.outputs().into_iter().map(known));
        }
        nested.insert(file, stack.resources());
    }
    Ok(Estate {
        environment: name.to_owned(),
        root: resources,
        nested,
    })
}

/// Templates that are deployed by themselves, and values of their parameters with which they make
/// everything that they can make.
pub const ALONE: [(&str, &[(&str, &str)]); 3] = [
    ("backup.yaml", &[]),
    (
        "edge.yaml",
        &[
            ("OriginDomain", "api.example.com"),
            ("DomainName", "www.example.com"),
            ("CertificateArn", "arn:aws:acm:us-east-1:account:certificate/c"),
        ],
    ),
    (
        "global.yaml",
        &[
            ("PrimaryClusterArn", "arn:aws:rds:us-east-1:account:cluster:c"),
            ("SecondRegion", REGIONS[1]),
            ("ThirdRegion", REGIONS[2]),
        ],
    ),
];

/// A template of [`ALONE`] as it would be deployed.
///
/// # Errors
/// If the template does not allow the values.
pub fn alone(file: &str, values: &[(&str, &str)]) -> Result<Estate> {
    let template: Value = serde_json::from_str(&translate(&format!("infra/{file}"), &Parameters::new(), REGIONS[0])?)?;
    let given = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let stack = Stack::new(STACK, &template, &given, REGIONS[0]);
    refuse(file, &stack)?;
    Ok(Estate {
        environment: file.to_owned(),
        root: serde_json::Map::new(),
        nested: [(file.to_owned(), stack.resources())].into(),
    })
}

fn refuse(name: &str, stack: &Stack<'_>) -> Result<()> {
    let refusals = stack.refusals();
    if refusals.is_empty() {
        return Ok(());
    }
    bail!("{name}: {}", refusals.join("; "))
}

/// The CloudFormation template that SAM makes of a template of the workspace, as JSON.
///
/// # Errors
/// If SAM cannot translate the template.
pub fn translate(template: &str, parameters: &Parameters, region: &str) -> Result<String> {
    let path: PathBuf = workspace().join(template);
    let mut command = Command::new(Environment::Tools.bin().join("python"));
    command
        .arg(workspace().join("infra/local/python/translate.py"))
        .arg(path)
        .arg(serde_json::to_string(parameters)?);
    process::run(command.env("AWS_DEFAULT_REGION", region), "translate the template")
}
