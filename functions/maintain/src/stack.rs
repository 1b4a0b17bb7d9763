//! The request of CloudFormation for a custom resource, and the answer to it.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::{
    job::hex,
    store::{Chain, StoreError},
};

use crate::report::Report;

/// A request of CloudFormation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "CloudFormation defines these names")]
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
    /// A digest of the settings of the functions that need the schema. It changes whenever they do.
    digest: String,
}

impl Request {
    /// Whether the resource is being deleted. Nothing is done then, because the data is kept when
    /// the stack is deleted.
    pub(crate) fn is_removal(&self) -> bool {
        self.request_type == RequestType::Delete
    }

    fn digest(&self) -> String {
        let settings = self.resource_properties["Settings"].to_string();
        hex(&Sha256::digest(settings)[..8])
    }

    /// Reports the outcome to CloudFormation. Without this report, the deployment waits for an hour
    /// and then fails.
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
        // The URL was signed without a content type. A request with one would be refused.
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        http.put(&self.response_url).body(body).send().await?.error_for_status()?;
        Ok(())
    }
}
