//! Where each part of a region answers on this machine, and what clients and functions must know
//! about it.

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use shared::job::RegionTag;

use super::instance::{Instance, Outputs};

/// The user of the local database. It needs no password on the loopback interface.
pub(super) const DATABASE_USER: &str = "summarease";

/// The name of a region's stack. Roles belong to no region, and MiniStack makes their names from
/// the name of the stack only. Two stacks of the same name in two regions would therefore overwrite
/// each other's roles, so each region has a name of its own.
pub fn stack_name(region: &str) -> String {
    format!("summarease-{}", RegionTag::from_region(region))
}

/// The SDK configuration for a region of the local cloud. Its credentials may do everything there.
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

/// The environment variables of a client of a region: endpoint, region, and credentials that work
/// in the local cloud only.
pub fn client_env(instance: &Instance, region: &str) -> Vec<(String, String)> {
    let ports = instance.state().ports;
    let endpoint = ports.aws_url();
    let pairs = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("SAM_CLI_TELEMETRY", "0"),
    ];
    let mut pairs: Vec<(String, String)> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    pairs.extend(ports.dynamodb_url().map(|url| ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), url)));
    pairs
}

/// The address of a region's database.
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

/// The address of a region's cache.
pub fn valkey_url(instance: &Instance, region: &str) -> String {
    let port = instance.state().ports.valkey.get(region).map(|(port, _)| *port).unwrap_or_default();
    format!("redis://127.0.0.1:{port}")
}

/// The base URL of a region's API on this machine.
///
/// # Errors
/// If the region is not deployed.
pub fn api_url(instance: &Instance, region: &str) -> Result<String> {
    let state = instance.state();
    let outputs = state
        .regions
        .get(region)
        .with_context(|| format!("{region} is not deployed; run `cargo local up --region {region}`"))?;
    api_url_of(instance, outputs)
}

/// The base URL of the API of a stack with these outputs.
///
/// # Errors
/// If the stack has no API.
pub fn api_url_of(instance: &Instance, outputs: &Outputs) -> Result<String> {
    let id = outputs.get("ApiId").context("the stack names no API")?;
    Ok(format!("{}/_aws/execute-api/{id}", instance.state().ports.aws_url()))
}

/// The environment variables of a client of a region, and those that the template gives to its
/// functions, those of all functions together. `cargo lambda watch` and the Runtime Interface Emulator run any function
/// with them. A worker is the worker of the standard lane.
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
    let from_stack = from_stack
        .iter()
        .filter_map(|(name, output)| Some(((*name).to_owned(), outputs.get(*output)?.clone())));
    let mut pairs = client_env(instance, region);
    pairs.extend(from_stack);
    // The canary expects versions of functions. A name without a version means the newest one.
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
    pairs.push(("API".to_owned(), functions(&["ApiFunction"])));
    pairs.push(("API_VERSION".to_owned(), functions(&["ApiFunction"])));
    pairs.push(("WORKER_VERSIONS".to_owned(), functions(&workers)));
    pairs.extend(api_url_of(instance, outputs).ok().map(|url| ("API_URL".to_owned(), url)));
    pairs.push(("DATABASE_URL".to_owned(), database_url(instance, region)));
    pairs.push(("VALKEY_URL".to_owned(), valkey_url(instance, region)));
    pairs
}
