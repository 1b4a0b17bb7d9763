//! A stack with the values of each phase is created, updated and deleted.
//!
//! MiniStack lacks RDS Proxy, serverless caches, backup selections, composite alarms, `CodeDeploy`
//! and Application Auto Scaling, so these are switched off here. The template rules check them.

use aws_sdk_cloudformation::types::ResourceStatus;
use aws_sdk_dynamodb::types::StreamSpecification;
use local::{
    checkout::workspace,
    cloud::{
        addresses,
        deploy::{self, deploy_stack, outputs},
    },
    template::{self, stack::Parameters},
};

use crate::cloud::{REGIONS, cloud, comes_true};

const LACKING: [(&str, &str); 6] = [
    ("Network", "bring"),
    ("Database", "bring"),
    ("Cache", "bring"),
    ("Monitoring", "false"),
    ("GradualDeployments", "false"),
    ("ApiProvisioned", "0"),
];

#[tokio::test]
async fn every_phase_can_be_created_updated_and_deleted() {
    let cloud = cloud().await;
    let region = REGIONS[1];
    let sdk = addresses::sdk(&cloud.instance, region);
    let template = cloud.instance.dir().join("build/template.yaml");
    for (phase, (_, values)) in template::environments().unwrap() {
        if phase.contains('-') {
            continue;
        }
        let stack = format!("phase-{phase}");
        let mut parameters = deploy::parameters(&cloud.instance, region);
        let local = parameters.clone();
        parameters.extend(values);
        parameters.extend(local);
        parameters.extend(LACKING.map(|(name, value)| (name.to_owned(), value.to_owned())));
        parameters.remove("BackupCopyRegion");
        // SAM takes no empty value on its command line.
        parameters.retain(|_, value| !value.is_empty());
        let deploy = async |parameters: &_| deploy_stack(&cloud.instance, region, &template, &stack, parameters).await.unwrap();

        assert!(deploy(&parameters).await, "{phase} is made");
        assert!(!deploy(&parameters).await, "{phase}: the second deployment changes nothing");
        parameters.insert("StandardConcurrency".to_owned(), "7".to_owned());
        parameters.insert("StandardMemory".to_owned(), "2048".to_owned());
        assert!(deploy(&parameters).await, "{phase}: a bound changes");
        let made = outputs(&sdk, &stack).await.unwrap();
        let worker = &made["SummarizeStandardFunction"];
        let lambda = aws_sdk_lambda::Client::new(&sdk);
        let mappings = lambda
            .list_event_source_mappings()
            .function_name(format!("{worker}:live"))
            .send()
            .await
            .unwrap();
        let mapping = mappings.event_source_mappings().first().expect("the lane is served by the alias");
        assert_eq!(
            mapping
                .scaling_config()
                .and_then(aws_sdk_lambda::types::ScalingConfig::maximum_concurrency),
            Some(7)
        );
        let serving = lambda
            .get_function_configuration()
            .function_name(worker)
            .qualifier("live")
            .send()
            .await;
        assert_eq!(
            serving.unwrap().memory_size(),
            Some(2048),
            "{phase}: the alias serves a version with the new value"
        );

        let cloudformation = aws_sdk_cloudformation::Client::new(&sdk);
        cloudformation.delete_stack().stack_name(&stack).send().await.unwrap();
        let gone = async || {
            let resources = cloudformation.describe_stack_resources().stack_name(&stack).send().await;
            let left = resources
                .map(|answer| answer.stack_resources.unwrap_or_default())
                .unwrap_or_default();
            left.iter()
                .filter(|resource| {
                    !matches!(
                        resource.resource_status,
                        Some(ResourceStatus::DeleteComplete | ResourceStatus::DeleteSkipped)
                    )
                })
                .count()
        };
        comes_true(&format!("{phase} is taken away"), async || gone().await == 0).await;
        assert!(lambda.get_function_configuration().function_name(worker).send().await.is_err());
        // Tables and the bucket stay when their stack is deleted, on purpose. MiniStack understands
        // the text "false" as true, so the protection of the tables is removed by hand.
        let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
        for table in ["DirectoryTable", "LedgerTable"] {
            let name = &made[table];
            let unprotected = dynamodb.update_table().table_name(name).deletion_protection_enabled(false);
            unprotected.send().await.expect("the table is still there");
            dynamodb.delete_table().table_name(name).send().await.expect("the table goes");
        }
        aws_sdk_s3::Client::new(&sdk)
            .delete_bucket()
            .bucket(&made["DocumentsBucket"])
            .send()
            .await
            .expect("the bucket is still there");
    }
}

/// Two stacks belong to no single region: the vault for copies of backups, and the shared tables.
/// MiniStack makes no replicas of the tables; the failover drill has some.
#[tokio::test]
async fn the_other_vault_and_shared_tables_are_stacks_of_their_own() {
    let cloud = cloud().await;
    let region = REGIONS[0];
    let sdk = addresses::sdk(&cloud.instance, region);
    let made = async |file: &str, stack: &str, (name, value): (&str, &str)| {
        let template = workspace().join("infra").join(file);
        let parameters = Parameters::from([(name.to_owned(), value.to_owned())]);
        for changes in [true, false] {
            let deployed = deploy_stack(&cloud.instance, region, &template, stack, &parameters).await;
            assert_eq!(deployed.unwrap(), changes, "{file}");
        }
        outputs(&sdk, stack).await.unwrap()
    };
    let vault = made("backup.yaml", "copies", ("Name", "copies")).await;
    assert!(vault["VaultArn"].ends_with(":backup-vault:copies"), "{vault:?}");
    let tables = made("global.yaml", "everywhere", ("SecondRegion", REGIONS[1])).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
    for table in ["DirectoryTableName", "LedgerTableName"] {
        let answer = dynamodb.describe_table().table_name(&tables[table]).send().await.unwrap();
        let table = answer.table().expect("a table");
        assert!(
            table.stream_specification().is_some_and(StreamSpecification::stream_enabled),
            "{table:?}"
        );
    }
}
