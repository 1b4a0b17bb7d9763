//! `sam deploy` of the real template to the local cloud.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;

use shared::job::RegionTag;

use crate::{
    Instance, demo,
    instance::{Outputs, workspace},
    python::{self, Environment},
    servers::DATABASE_USER,
    template::stack::Parameters,
};

/// The stack of a region. IAM knows no regions, and MiniStack derives the names of roles from the
/// stack's name alone: two stacks of one name would share, and overwrite, their roles.
pub fn stack_name(region: &str) -> String {
    format!("summarease-{}", RegionTag::from_region(region))
}

/// SDK configuration for a region of the local cloud, with the rights of its owner.
pub fn sdk(instance: &Instance, region: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(instance.state().ports.aws_url())
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "local cloud",
        )))
        .build()
}

/// Environment of a client of a region: endpoint, region, credentials that work there and nowhere else.
pub fn client_env(instance: &Instance, region: &str) -> Vec<(String, String)> {
    let endpoint = instance.state().ports.aws_url();
    let pairs = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("SAM_CLI_TELEMETRY", "0"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The database of a region.
pub fn database_url(instance: &Instance, region: &str) -> String {
    format!(
        "postgres://{DATABASE_USER}@127.0.0.1:{}/{}",
        instance.state().ports.postgres,
        database(region)
    )
}

/// The name of a region's database.
pub fn database(region: &str) -> String {
    format!("summarease_{}", region.replace('-', "_"))
}

/// The cache of a region.
pub fn valkey_url(instance: &Instance, region: &str) -> String {
    let port = instance.state().ports.valkey.get(region).map(|(port, _)| *port).unwrap_or_default();
    format!("redis://127.0.0.1:{port}")
}

/// The parameters of a region's stack: everything but the stores' addresses as by default.
pub fn parameters(instance: &Instance, region: &str) -> Parameters {
    let pairs = [
        (
            "Architecture",
            if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }.to_owned(),
        ),
        ("DatabaseUrl", database_url(instance, region)),
        ("DatabaseDirectUrl", database_url(instance, region)),
        ("ValkeyUrl", valkey_url(instance, region)),
        ("WorkerTimeout", "10".to_owned()),
        ("DeletionProtection", "false".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Deploys the assembled template to a region.
///
/// # Errors
/// If SAM fails.
pub async fn deploy(instance: &Instance, region: &str, template: &Path) -> Result<Outputs> {
    let stack = stack_name(region);
    deploy_stack(instance, region, template, &stack, &parameters(instance, region)).await?;
    outputs(&sdk(instance, region), &stack).await
}

/// Deploys the assembled template as a stack of any name; tells whether anything changed.
///
/// # Errors
/// If SAM fails.
pub async fn deploy_stack(instance: &Instance, region: &str, template: &Path, stack: &str, parameters: &Parameters) -> Result<bool> {
    let bucket = format!("summarease-artifacts-{region}");
    make_bucket(&sdk(instance, region), &bucket, region).await?;
    let mut command = Command::new(Environment::Tools.bin().join("sam"));
    command
        .arg("deploy")
        .arg("--config-file")
        .arg(workspace().join("samconfig.toml"))
        .args(["--config-env", "local"]);
    command
        .arg("--template-file")
        .arg(template)
        .args(["--region", region, "--s3-bucket", &bucket, "--stack-name", stack]);
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={value}"));
    command.arg("--parameter-overrides").args(pairs);
    let said = python::run(isolated(&mut command, instance, region), "deploy the stack")?;
    let mut command = Command::new(Environment::Cloud.bin().join("python"));
    command.arg(workspace().join("infra/local/bind_mappings.py")).arg(stack);
    python::run(isolated(&mut command, instance, region), "bound the event source mappings")?;
    Ok(!said.contains("No changes to deploy"))
}

/// Points a command at the local cloud; nothing of the user's own AWS set-up may leak in.
pub fn isolated<'a>(command: &'a mut Command, instance: &Instance, region: &str) -> &'a mut Command {
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN"] {
        command.env_remove(name);
    }
    let nowhere = instance.dir().join("no-aws-config");
    command
        .env("AWS_CONFIG_FILE", &nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
        .envs(client_env(instance, region))
}

/// The environment that the template gives the functions of a region, all of them together: for
/// `cargo lambda watch` and the Runtime Interface Emulator. The worker is that of the standard lane.
pub fn function_env(instance: &Instance, region: &str, outputs: &Outputs) -> Vec<(String, String)> {
    let from_stack = [
        ("DIRECTORY_TABLE", "DirectoryTable"),
        ("LEDGER_TABLE", "LedgerTable"),
        ("DOCUMENTS_BUCKET", "DocumentsBucket"),
        ("EXPRESS_URL", "ExpressQueue"),
        ("STANDARD_URL", "StandardQueue"),
        ("BULK_URL", "BulkQueue"),
        ("LANE_URL", "StandardQueue"),
        ("EXPRESS_DEAD_LETTERS_URL", "ExpressDeadLetters"),
        ("STANDARD_DEAD_LETTERS_URL", "StandardDeadLetters"),
        ("BULK_DEAD_LETTERS_URL", "BulkDeadLetters"),
    ];
    let mut pairs: Vec<_> = from_stack
        .iter()
        .filter_map(|(name, output)| Some(((*name).to_owned(), outputs.get(*output)?.clone())))
        .collect();
    // The canary's, for whom any version is the newest.
    let functions = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| outputs.get(*name))
            .cloned()
            .collect::<Vec<_>>()
            .join(",")
    };
    let workers = ["SummarizeExpressFunction", "SummarizeStandardFunction", "SummarizeBulkFunction"];
    let most = r#"{"warm":2,"express":2,"standard":2,"bulk":2}"#;
    pairs.extend([("CAPACITY_PLAN", "growth"), ("CEILINGS", most)].map(|(name, value)| (name.to_owned(), value.to_owned())));
    for (name, output) in ["EXPRESS_WORKER", "STANDARD_WORKER", "BULK_WORKER"].into_iter().zip(workers) {
        pairs.push((name.to_owned(), format!("{}:live", functions(&[output]))));
    }
    pairs.push(("API_VERSION".to_owned(), functions(&["ApiFunction"])));
    pairs.push(("WORKER_VERSIONS".to_owned(), functions(&workers)));
    pairs.extend(demo::url_of(instance, outputs).ok().map(|url| ("API_URL".to_owned(), url)));
    pairs.push(("DATABASE_URL".to_owned(), database_url(instance, region)));
    pairs.push(("VALKEY_URL".to_owned(), valkey_url(instance, region)));
    pairs
}

async fn make_bucket(sdk: &SdkConfig, bucket: &str, region: &str) -> Result<()> {
    let s3 = aws_sdk_s3::Client::new(sdk);
    if s3.head_bucket().bucket(bucket).send().await.is_ok() {
        return Ok(());
    }
    let mut request = s3.create_bucket().bucket(bucket);
    if region != "us-east-1" {
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
            .location_constraint(region.into())
            .build();
        request = request.create_bucket_configuration(place);
    }
    request.send().await.context("the bucket for artifacts was not made")?;
    Ok(())
}

/// The outputs of a stack.
///
/// # Errors
/// If there is no such stack.
pub async fn outputs(sdk: &SdkConfig, stack: &str) -> Result<Outputs> {
    let stacks = aws_sdk_cloudformation::Client::new(sdk)
        .describe_stacks()
        .stack_name(stack)
        .send()
        .await;
    let stack = stacks
        .context("the stack cannot be read")?
        .stacks
        .unwrap_or_default()
        .into_iter()
        .next()
        .context("there is no stack")?;
    let pairs = stack
        .outputs
        .unwrap_or_default()
        .into_iter()
        .filter_map(|output| Some((output.output_key?, output.output_value?)));
    Ok(pairs.collect())
}
