//! What the local cloud made of the template.

use serde_json::Value;
use shared::job::MOST_RECEIVES;

use crate::cloud::region;

/// An earlier version of MiniStack ignored redrive policies and concurrency limits.
#[tokio::test]
async fn the_deployed_stack_has_the_bounds_of_the_template() {
    let region = region().await;
    let sqs = aws_sdk_sqs::Client::new(&region.sdk);
    for lane in ["Express", "Standard", "Bulk"] {
        let request = sqs.get_queue_attributes().queue_url(&region.outputs[&format!("{lane}Queue")]);
        let attributes = request
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::All)
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap();
        let get = |name: &str| attributes.get(&name.into()).cloned().unwrap_or_default();
        assert_eq!(get("VisibilityTimeout"), "420");
        let policy: Value = serde_json::from_str(&get("RedrivePolicy")).unwrap();
        assert_eq!(policy["maxReceiveCount"].to_string().trim_matches('"'), MOST_RECEIVES.to_string());
        assert!(
            policy["deadLetterTargetArn"]
                .as_str()
                .unwrap()
                .ends_with(&format!("{}-dead-letters", lane.to_lowercase()))
        );
    }
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    for lane in ["Express", "Standard", "Bulk"] {
        let worker = format!("{}:live", region.outputs[&format!("Summarize{lane}Function")]);
        let mappings = lambda.list_event_source_mappings().function_name(worker).send().await.unwrap();
        let mappings = mappings.event_source_mappings.unwrap();
        assert_eq!(mappings.len(), 1, "{lane}");
        assert_eq!(mappings[0].scaling_config().unwrap().maximum_concurrency(), Some(2), "{lane}");
    }
}
