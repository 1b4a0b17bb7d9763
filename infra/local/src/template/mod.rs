//! Checks of the templates that need no account: what SAM says, what cfn-lint and checkov say of the
//! CloudFormation that SAM makes of them (untranslated, neither looks inside functions), and our own rules.

pub mod rules;
pub mod stack;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    instance::{local, workspace},
    progress::Step,
    python::{self, Environment},
};
use rules::Estate;
use stack::{Parameters, Stack, entries, text};

/// Regions whose resource types and limits the templates are checked against.
pub const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-1"];

/// The name that stacks are checked under.
const STACK: &str = "summarease";

/// Templates that the root nests, or that are deployed by themselves.
pub const NESTED: [&str; 8] = [
    "network.yaml", "data.yaml", "cache.yaml", "backup.yaml", "monitoring.yaml", "domain.yaml", "edge.yaml", "global.yaml",
];

/// Runs all checks.
///
/// # Errors
/// At the first check that fails, with what it said.
pub fn check() -> Result<()> {
    Environment::Tools.install()?;
    Environment::Checks.install()?;
    let bin = Environment::Tools.bin();
    let step = Step::begin("sam validate --lint");
    let mut command = Command::new(bin.join("sam"));
    command
        .args(["validate", "--lint", "--region", REGIONS[0], "--template-file"])
        .arg(workspace().join("template.yaml"))
        .env("SAM_CLI_TELEMETRY", "0");
    python::run(&mut command, "validate the template")?;
    step.done();
    let environments = environments()?;
    let folder = local().join("template");
    fs::remove_dir_all(&folder).or_else(|error| if folder.exists() { Err(error) } else { Ok(()) })?;
    fs::create_dir_all(&folder)?;
    let mut translated = Vec::new();
    for (name, environment) in &environments {
        let step = Step::begin(format!("rules over {name}"));
        let (estate, root) = estate(name, environment)?;
        let found = rules::findings(&estate);
        if !found.is_empty() {
            bail!("{name}:\n  {}", found.join("\n  "));
        }
        let path = folder.join(name).with_extension("json");
        fs::write(&path, serde_json::to_vec(&root)?)?;
        translated.push(path);
        step.done();
    }
    for name in NESTED {
        let path = folder.join(name).with_extension("json");
        fs::write(&path, translate(&format!("infra/{name}"), &Parameters::new(), REGIONS[0])?)?;
        translated.push(path);
    }
    for region in REGIONS {
        let step = Step::begin(format!("cfn-lint of the translated templates in {region}"));
        let mut command = Command::new(bin.join("cfn-lint"));
        // W2001: SAM itself has used up the parameters of gradual deployments where they are off.
        command
            .args(["--regions", region, "--ignore-checks", "W2001", "--template"])
            .args(&translated);
        python::run(&mut command, "lint the templates")?;
        step.done();
    }
    let step = Step::begin("checkov of the translated templates");
    let mut command = Command::new(Environment::Checks.bin().join("checkov"));
    command
        .args([
            "--framework", "cloudformation", "--compact", "--quiet", "--skip-download", "--config-file",
        ])
        .arg(workspace().join("infra/checkov.yaml"))
        .arg("--directory")
        .arg(&folder);
    python::run(&mut command, "check the templates")?;
    step.done();
    Ok(())
}

/// The environments of `samconfig.toml` that go to AWS: region, if it names one, and parameters.
///
/// # Errors
/// If the file is not as SAM wants it.
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
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect();
        let parameters = parameters.with_context(|| format!("samconfig.toml: parameter_overrides of {name} must be NAME=VALUE"))?;
        environments.insert(name.clone(), (deploy["region"].as_str().map(str::to_owned), parameters));
    }
    Ok(environments)
}

/// All stacks of an environment, and the translated root template.
///
/// # Errors
/// If a template is not understood, or refuses the parameters.
pub fn estate(name: &str, environment: &(Option<String>, Parameters)) -> Result<(Estate, Value)> {
    let (region, parameters) = environment;
    let region = region.as_deref().unwrap_or(REGIONS[0]);
    let root: Value = serde_json::from_str(&translate("template.yaml", parameters, region)?)?;
    let estate = assemble(name, &root, parameters, region)?;
    Ok((estate, root))
}

/// Works out a translated root template and the stacks it nests.
///
/// # Errors
/// If a template refuses its parameters.
pub fn assemble(name: &str, root: &Value, parameters: &Parameters, region: &str) -> Result<Estate> {
    let stack = Stack::new(STACK, root, parameters, region);
    refuse(name, &stack)?;
    let resources = stack.resources();
    let mut nested = BTreeMap::new();
    for (nest, resource) in resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::CloudFormation::Stack")
    {
        let properties = &resource["Properties"];
        let file = text(&properties["TemplateURL"]).rsplit('/').next().unwrap_or_default().to_owned();
        let template: Value = serde_json::from_str(&translate(&format!("infra/{file}"), &Parameters::new(), region)?)?;
        let given = entries(&properties["Parameters"])
            .map(|(name, value)| (name.clone(), stack::placeholder(value)))
            .collect();
        // As CloudFormation names it.
        let own = format!("{STACK}-{nest}-1A2B3C4D5E6F7");
        let stack = Stack::new(&own, &template, &given, region);
        refuse(&format!("{name}, {file}"), &stack)?;
        nested.insert(file, stack.resources());
    }
    Ok(Estate {
        environment: name.to_owned(),
        root: resources,
        nested,
    })
}

fn refuse(name: &str, stack: &Stack<'_>) -> Result<()> {
    let refusals = stack.refusals();
    if refusals.is_empty() {
        return Ok(());
    }
    bail!("{name}: {}", refusals.join("; "))
}

/// The CloudFormation that SAM makes of a template of the workspace, as JSON.
///
/// # Errors
/// If SAM does not understand the template.
pub fn translate(template: &str, parameters: &Parameters, region: &str) -> Result<String> {
    let path: PathBuf = workspace().join(template);
    let mut command = Command::new(Environment::Tools.bin().join("python"));
    command
        .arg(workspace().join("infra/local/translate.py"))
        .arg(path)
        .arg(serde_json::to_string(parameters)?);
    python::run(command.env("AWS_DEFAULT_REGION", region), "translate the template")
}
