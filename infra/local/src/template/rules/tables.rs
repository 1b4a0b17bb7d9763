//! The DynamoDB tables and the bucket.

use super::estate::{Estate, is_true, mentions};

pub(super) fn tables(estate: &Estate, findings: &mut Vec<String>) {
    for (name, table) in estate.of("AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        if properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] != true {
            findings.push(format!("{name} cannot be restored to a point in time"));
        }
        if properties["SSESpecification"]["SSEEnabled"] != true {
            findings.push(format!("{name} is not encrypted"));
        }
        if estate.is_service() && !is_true(&properties["DeletionProtectionEnabled"]) {
            findings.push(format!("{name} can be deleted by mistake"));
        }
    }
    for (name, store) in estate.of("AWS::DynamoDB::Table").into_iter().chain(estate.of("AWS::S3::Bucket")) {
        if !mentions(&store["DeletionPolicy"], "Retain") || store["UpdateReplacePolicy"] != "Retain" {
            findings.push(format!("{name} is deleted together with its stack"));
        }
    }
    for (name, bucket) in estate.properties("AWS::S3::Bucket") {
        let access = &bucket["PublicAccessBlockConfiguration"];
        let blocked = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
        if !blocked.iter().all(|block| access[*block] == true) {
            findings.push(format!("{name} can be made public"));
        }
        if bucket["BucketEncryption"].is_null() {
            findings.push(format!("{name} is not encrypted"));
        }
    }
}
