//! The failover runbook is followed: a region is lost, another one takes over, the first one
//! returns.

use std::time::Instant;

use local::cloud::{
    addresses,
    deploy::{self, deploy_stack, outputs},
    tenant,
};
use shared::job::JobId;
use sqlx::{Connection, PgConnection};

use crate::{
    cloud::{Cloud, REGIONS, Region, cloud, comes_true, submission},
    replica::Replica,
    runbooks::Runbook,
};

const STACKS: [(&str, &str); 2] = [(REGIONS[0], "drill-use1"), (REGIONS[1], "drill-euw1")];

/// Deploys a region of the drill with this database. Its tables are its own, or replicas of those
/// of the first region.
async fn deploy_region(cloud: &Cloud, (region, stack): (&str, &str), database: &str, first: Option<&Region>) -> Region {
    let mut parameters = deploy::parameters(&cloud.instance, region);
    for name in ["DatabaseUrl", "DatabaseDirectUrl"] {
        parameters.insert(name.to_owned(), database.to_owned());
    }
    for table in ["DirectoryTable", "LedgerTable"] {
        let replica = first.map(|first| first.outputs[table].clone());
        parameters.extend(replica.map(|name| (format!("{table}Name"), name)));
    }
    let template = cloud.instance.dir().join("build/template.yaml");
    deploy_stack(&cloud.instance, region, &template, stack, &parameters).await.unwrap();
    let outputs = outputs(&addresses::sdk(&cloud.instance, region), stack).await.unwrap();
    cloud.stack(region, outputs)
}

/// Stops or starts the workers of a region, as the loss and the return of the region would.
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

/// Removes the API of a region, or restores it.
async fn answers(region: &Region, run: bool) {
    let lambda = aws_sdk_lambda::Client::new(&region.sdk);
    let api = &region.outputs["ApiFunction"];
    if run {
        let alias = lambda.create_alias().function_name(api).name("live").function_version("1");
        alias.send().await.unwrap();
    } else {
        lambda.delete_alias().function_name(api).name("live").send().await.unwrap();
    }
}

async fn unfinished(region: &Region) -> i32 {
    let client = aws_sdk_dynamodb::Client::new(&region.sdk);
    client
        .scan()
        .table_name(&region.outputs["LedgerTable"])
        .filter_expression("attribute_exists(attempts)")
        .send()
        .await
        .unwrap()
        .count()
}

async fn has(database: &str, id: &str) -> bool {
    let id: JobId = id.parse().unwrap();
    let mut database = PgConnection::connect(database).await.unwrap();
    let ask = sqlx::query_scalar("SELECT EXISTS (SELECT FROM summaries WHERE id = $1)").bind(id.uuid());
    ask.fetch_one(&mut database).await.unwrap()
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the times of the drill, for the runbook")]
async fn no_accepted_job_is_lost_with_a_region() {
    let cloud = cloud().await;
    let writer = addresses::database_url(&cloud.instance, REGIONS[0]);
    let lost = deploy_region(cloud, STACKS[0], &writer, None).await;
    tenant::register(&cloud.instance, REGIONS[0], &lost.outputs).await.unwrap();
    Runbook::open(cloud, "add-region.md", &STACKS).follow(&["ZONE=", "replica-updates"], &[]);
    let copy = Replica::of(&writer, "drill").await;
    let other = deploy_region(cloud, STACKS[1], &copy.url, Some(&lost)).await;

    let before = lost.accepted(&submission("before the loss")).await;
    lost.succeeds(&before).await;
    comes_true("the other region's copy has it", async || has(&copy.url, &before).await).await;
    copy.cut_off().await;
    let newest = lost.accepted(&submission("in the last second")).await;
    let finished = lost.succeeds(&newest).await;
    comes_true("the ledger has its final result", async || unfinished(&other).await == 0).await;

    workers(&lost, false).await;
    let stopped = Instant::now();
    let mut waiting = Vec::new();
    for number in 0..8 {
        waiting.push(lost.accepted(&submission(&format!("waiting number {number}"))).await);
    }

    answers(&lost, false).await;
    let (status, problem) = lost.submit(&submission("to a region that is gone")).await;
    assert!(status.is_server_error(), "{status} {problem}");

    copy.promote().await;
    let taken = other.accepted(&submission("taken over")).await;
    assert!(taken.starts_with("sum_euw1_"), "{taken}");
    other.succeeds(&taken).await;
    let took_over = stopped.elapsed();
    for id in &waiting {
        let read = other.reaches(id, &["queued", "running"]).await;
        assert_eq!(read["region"], REGIONS[0], "any region answers for any id");
    }
    assert_eq!(
        other.read(&before).await.1["status"],
        "succeeded",
        "finished jobs are read in the other region"
    );
    assert!(!has(&copy.url, &newest).await, "the copy does not have it");
    assert_eq!(
        other.read(&newest).await.1,
        finished,
        "a job that the copy lacks is read from the ledger"
    );
    let runbook = Runbook::open(cloud, "fail-over.md", &STACKS);
    let reconcile = || runbook.follow(&["reconcile"], &[]);
    assert!(reconcile().contains("\"entered\": 1"), "{newest} is entered again");
    assert!(has(&copy.url, &newest).await);
    comes_true("the ledger knows the waiting jobs", async || unfinished(&other).await == 8).await;

    answers(&lost, true).await;
    let lost = deploy_region(cloud, STACKS[0], &copy.url, None).await;
    let returned = Instant::now();
    workers(&lost, true).await;
    for id in &waiting {
        let finished = other.reaches(id, &["succeeded"]).await;
        assert_eq!(finished["region"], REGIONS[0]);
    }
    let caught_up = returned.elapsed();
    comes_true("nothing is left in the ledger", async || {
        unfinished(&lost).await + unfinished(&other).await == 0
    })
    .await;
    comes_true("the lanes are empty", async || {
        runbook.follow(&["get-queue-attributes"], &[]).matches("\"0\"").count() == 6
    })
    .await;
    assert!(runbook.follow(&["--select COUNT"], &[]).contains("\"Count\": 0"));
    assert!(reconcile().contains("\"entered\": 0"), "the archive has all ends");
    lost.succeeds(&lost.accepted(&submission("after the return")).await).await;
    println!("the other region finished a job {took_over:?} after the loss; the waiting jobs were finished {caught_up:?} after the return");
}
