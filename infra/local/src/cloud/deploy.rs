//! `sam deploy` of the real template to the local cloud.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};
use aws_config::SdkConfig;

use super::{
    addresses::{client_env, database_url, sdk, stack_name, valkey_url},
    instance::{Instance, Outputs},
};
use crate::{
    checkout::workspace,
    template::stack::Parameters,
    tools::{ARCHITECTURE, process, python::Environment},
};

/// The parameters of a region's stack. Those that are not here keep the default of the template.
pub fn parameters(instance: &Instance, region: &str) -> Parameters {
    let pairs = [
        ("Architecture", ARCHITECTURE.to_owned()),
        ("DatabaseUrl", database_url(instance, region)),
        ("DatabaseDirectUrl", database_url(instance, region)),
        ("ValkeyUrl", valkey_url(instance, region)),
        // The functions are built without optimisation here, and the machine may be busy, so large
        // texts take longer than on AWS. The workers get a minute, as in every phase.
        ("WorkerTimeout", "60".to_owned()),
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

/// Deploys an assembled template as a stack of any name. Returns whether anything has changed.
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
    let said = process::run(isolated(&mut command, instance, region), "deploy the stack")?;
    let mut command = Command::new(Environment::Cloud.bin().join("python"));
    command.arg(workspace().join("infra/local/python/bind_mappings.py")).arg(stack);
    process::run(isolated(&mut command, instance, region), "bound the event source mappings")?;
    Ok(!said.contains("No changes to deploy"))
}

/// Makes a command use the local cloud. The command does not see the AWS configuration of the user.
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
