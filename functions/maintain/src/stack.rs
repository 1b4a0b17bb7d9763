//! CloudFormation's side of a custom resource.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::{
    job::hex,
    store::{Chain, StoreError},
};

use crate::report::Report;

/// What CloudFormation asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the names are CloudFormation's")]
pub struct Request {
    request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    #[serde(default)]
    resource_properties: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum RequestType {
    Create,
    Update,
    Delete,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'static str,
    reason: String,
    physical_resource_id: &'static str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    /// Changes with the settings of the functions that need the schema.
    digest: String,
}

impl Request {
    /// Whether the stack is going away. The data outlives it.
    pub(crate) fn is_removal(&self) -> bool {
        self.request_type == RequestType::Delete
    }

    fn digest(&self) -> String {
        let settings = self.resource_properties["Settings"].to_string();
        hex(&Sha256::digest(settings)[..8])
    }

    /// Tells CloudFormation how it went, without which the deployment hangs for an hour.
    pub(crate) async fn answer(&self, http: &reqwest::Client, outcome: &Result<Report, StoreError>) -> Result<(), reqwest::Error> {
        let (status, reason) = match outcome {
            Ok(report) => ("SUCCESS", format!("schema {:?}", report.schema)),
            Err(error) => ("FAILED", Chain(error).to_string()),
        };
        let answer = Answer {
            status,
            reason,
            physical_resource_id: "summarease-schema",
            stack_id: &self.stack_id,
            request_id: &self.request_id,
            logical_resource_id: &self.logical_resource_id,
            data: Data { digest: self.digest() },
        };
        // The URL is signed without a content type, so none may be sent.
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        http.put(&self.response_url).body(body).send().await?.error_for_status()?;
        Ok(())
    }
}
