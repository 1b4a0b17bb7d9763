//! The failover runbook, for real: a region stops, another takes over, the first returns.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateReplicationGroupMemberAction, KeySchemaElement, KeyType, ReplicationGroupUpdate,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use local::{
    demo,
    deploy::{self, deploy_stack, outputs},
};

use crate::cloud::{Cloud, REGIONS, Region, cloud, submission};

const TABLES: [&str; 2] = ["drill-directory", "drill-ledger"];
const PATIENCE: Duration = Duration::from_mins(1);

/// A table in the first region with a replica in the second, as infra/global.yaml makes it.
async fn make_global(cloud: &Cloud, table: &str) {
    let client = aws_sdk_dynamodb::Client::new(&deploy::sdk(&cloud.instance, REGIONS[0]));
    let id = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap();
    let key = KeySchemaElement::builder()
        .attribute_name("id")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(id)
        .key_schema(key)
        .stream_specification(stream)
        .send()
        .await
        .unwrap();
    let replica = CreateReplicationGroupMemberAction::builder()
        .region_name(REGIONS[1])
        .build()
        .unwrap();
    client
        .update_table()
        .table_name(table)
        .replica_updates(ReplicationGroupUpdate::builder().create(replica).build())
        .send()
        .await
        .unwrap();
}

async fn deploy_region(cloud: &Cloud, region: &str, stack: &str) -> Region {
    let mut parameters = deploy::parameters(&cloud.instance, region);
    let shared = [
        ("DirectoryTableName", TABLES[0].to_owned()),
        ("LedgerTableName", TABLES[1].to_owned()),
        // The global database has one writer.
        ("DatabaseUrl", deploy::database_url(&cloud.instance, REGIONS[0])),
        ("DatabaseDirectUrl", deploy::database_url(&cloud.instance, REGIONS[0])),
    ];
    parameters.extend(shared.map(|(name, value)| (name.to_owned(), value)));
    let template = cloud.instance.dir().join("build/template.yaml");
    deploy_stack(&cloud.instance, region, &template, stack, &parameters).await.unwrap();
    let outputs = outputs(&deploy::sdk(&cloud.instance, region), stack).await.unwrap();
    cloud.stack(region, outputs)
}

/// Stops or starts the workers of a region, as its loss and return do.
async fn workers(region: &Region, run: bool) {
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    for lane in ["Express", "Standard", "Bulk"] {
        let worker = format!("{}:live", region.outputs[&format!("Summarize{lane}Function")]);
        let mappings = lambda.list_event_source_mappings().function_name(worker).send().await.unwrap();
        for mapping in mappings.event_source_mappings() {
            let update = lambda.update_event_source_mapping().uuid(mapping.uuid().unwrap()).enabled(run);
            update.send().await.unwrap();
        }
    }
}

async fn unfinished(region: &Region) -> i32 {
    let client = aws_sdk_dynamodb::Client::new(&region.sdk);
    client.scan().table_name(TABLES[1]).send().await.unwrap().count()
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the times of the drill, for the runbook")]
async fn nothing_accepted_is_lost_when_a_region_is() {
    let cloud = cloud().await;
    for table in TABLES {
        make_global(cloud, table).await;
    }
    let lost = deploy_region(cloud, REGIONS[0], "drill-use1").await;
    let other = deploy_region(cloud, REGIONS[1], "drill-euw1").await;
    // One registration: the replica knows the key too.
    demo::register(&cloud.instance, REGIONS[0], &lost.outputs).await.unwrap();

    let before = lost.accepted(&submission("before the loss")).await;
    lost.succeeds(&before).await;

    workers(&lost, false).await;
    let stopped = Instant::now();
    let mut stranded = Vec::new();
    for number in 0..8 {
        stranded.push(lost.accepted(&submission(&format!("stranded number {number}"))).await);
    }

    let taken = other.accepted(&submission("taken over")).await;
    assert!(taken.starts_with("sum_euw1_"), "{taken}");
    other.succeeds(&taken).await;
    let took_over = stopped.elapsed();
    for id in &stranded {
        let elsewhere = other.reaches(id, &["queued", "running"], PATIENCE).await;
        assert_eq!(elsewhere["region"], REGIONS[0], "any region answers for any id");
    }
    assert_eq!(
        other.read(&before).await.1["status"],
        "succeeded",
        "finished jobs are read elsewhere"
    );
    assert_eq!(unfinished(&other).await, 8, "the ledger knows what is stranded");

    let returned = Instant::now();
    workers(&lost, true).await;
    for id in &stranded {
        let finished = other.reaches(id, &["succeeded"], PATIENCE).await;
        assert_eq!(finished["region"], REGIONS[0]);
    }
    let caught_up = returned.elapsed();
    let audited = async || {
        for _ in 0..100 {
            if unfinished(&lost).await + unfinished(&other).await == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    };
    assert!(audited().await, "nothing is left in the ledger");
    println!("the other region finished a job {took_over:?} after the loss; what was stranded was done {caught_up:?} after the return");
}
