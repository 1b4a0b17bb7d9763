//! What the template must hold, checked on the CloudFormation that AWS makes of it.

use local::{python::Environment, template};
use serde_json::Value;

use crate::cloud::region;

fn translated() -> Value {
    Environment::Tools.install().unwrap();
    serde_json::from_str(&template::translate("us-east-1").unwrap()).unwrap()
}

fn of_type<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    resources
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name, &resource["Properties"]))
}

#[test]
fn queues_outlast_their_workers_and_give_up_into_a_dead_letter_queue() {
    let template = translated();
    for (timeout, visibility) in template["Mappings"]["Visibility"].as_object().unwrap() {
        let timeout: u64 = timeout.parse().unwrap();
        assert!(visibility["Seconds"].as_u64().unwrap() >= 6 * timeout);
    }
    let (lanes, dead): (Vec<_>, Vec<_>) = of_type(&template, "AWS::SQS::Queue").partition(|(name, _)| name.ends_with("Queue"));
    assert_eq!((lanes.len(), dead.len()), (3, 3));
    for (name, queue) in lanes {
        assert_eq!(queue["VisibilityTimeout"]["Fn::FindInMap"][0], "Visibility", "{name}");
        let target = name.replace("Queue", "DeadLetters");
        assert_eq!(queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0], target);
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 5);
    }
    for (name, queue) in dead {
        assert_eq!(queue["RedriveAllowPolicy"]["redrivePermission"], "byQueue", "{name}");
        assert_eq!(queue["MessageRetentionPeriod"], 1_209_600, "{name}");
    }
}

#[test]
fn mappings_are_bounded_and_report_single_failures() {
    let template = translated();
    let mappings: Vec<_> = of_type(&template, "AWS::Lambda::EventSourceMapping").collect();
    assert_eq!(mappings.len(), 3);
    for (name, mapping) in mappings {
        assert_eq!(mapping["FunctionResponseTypes"][0], "ReportBatchItemFailures", "{name}");
        assert!(mapping["ScalingConfig"]["MaximumConcurrency"]["Ref"].is_string(), "{name}");
        assert!(
            mapping["FilterCriteria"].is_null(),
            "{name}: a filter deletes what it does not match"
        );
    }
}

#[test]
fn every_function_has_its_own_role_and_its_own_log_group() {
    let template = translated();
    let functions: Vec<_> = of_type(&template, "AWS::Lambda::Function").collect();
    assert_eq!(functions.len(), 6);
    for (name, function) in functions {
        assert_eq!(function["Role"]["Fn::GetAtt"][0], format!("{name}Role"));
        let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
        assert_eq!(group, format!("{name}Logs"));
        assert!(!template["Resources"][group]["Properties"]["RetentionInDays"].is_null());
        assert_eq!(function["TracingConfig"]["Mode"], "Active", "{name}");
    }
}

#[test]
fn no_role_may_more_than_one_thing_on_everything() {
    let template = translated();
    for (name, role) in of_type(&template, "AWS::IAM::Role") {
        for statement in role["Policies"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten())
        {
            let actions = statement["Action"].to_string();
            assert!(!actions.contains('*'), "{name}: {statement}");
            assert!(statement["Resource"] != "*" || actions.contains("xray:"), "{name}: {statement}");
        }
    }
}

#[test]
fn the_migration_runs_whenever_there_is_a_new_one() {
    let template = translated();
    assert_eq!(
        template["Resources"]["Schema"]["Properties"]["Version"],
        shared::archive::Archive::newest_migration().to_string()
    );
    for (name, function) in template["Resources"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function")
    {
        let waits = function["DependsOn"].to_string().contains("Schema");
        assert_eq!(waits, name != "Maintain", "{name}");
    }
}

#[test]
fn schedules_have_no_name_to_collide() {
    let template = translated();
    let schedules: Vec<_> = of_type(&template, "AWS::Scheduler::Schedule").collect();
    assert_eq!(schedules.len(), 2);
    assert!(schedules.iter().all(|(_, schedule)| schedule["Name"].is_null()));
}

/// The emulator once dropped redrive policies and bounds without a word.
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
        assert_eq!(get("VisibilityTimeout"), "60");
        let policy: Value = serde_json::from_str(&get("RedrivePolicy")).unwrap();
        assert_eq!(policy["maxReceiveCount"].to_string().trim_matches('"'), "5");
        assert!(
            policy["deadLetterTargetArn"]
                .as_str()
                .unwrap()
                .ends_with(&format!("{}-dead-letters", lane.to_lowercase()))
        );
    }
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    let mappings = lambda
        .list_event_source_mappings()
        .send()
        .await
        .unwrap()
        .event_source_mappings
        .unwrap();
    assert_eq!(mappings.len(), 3);
    for mapping in mappings {
        assert_eq!(mapping.scaling_config.unwrap().maximum_concurrency, Some(2));
    }
}
