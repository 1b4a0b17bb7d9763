//! One template in several regions, which share nothing.

use reqwest::StatusCode;

use crate::cloud::{REGIONS, cloud, submission};

#[tokio::test]
async fn each_region_serves_its_own_traffic() {
    let cloud = cloud().await;
    let mut ids = Vec::new();
    for (name, tag) in REGIONS.into_iter().zip(["use1", "euw1"]) {
        let region = cloud.region(name);
        let id = region.accepted(&submission("the same text in every region")).await;
        assert!(id.starts_with(&format!("sum_{tag}_")), "{id}");
        assert_eq!(region.succeeds(&id).await["region"], name);
        ids.push(id);
    }
    let elsewhere = cloud.region(REGIONS[0]).read(&ids[1]).await;
    assert_eq!(elsewhere.0, StatusCode::NOT_FOUND, "regions share nothing yet: {}", elsewhere.1);
}

#[tokio::test]
async fn the_second_deployment_changes_nothing() {
    let cloud = cloud().await;
    let template = cloud.instance.dir().join("build/template.yaml");
    let outputs = local::cloud::deploy::deploy(&cloud.instance, REGIONS[1], &template).await.unwrap();
    assert_eq!(outputs, cloud.running.state.regions[REGIONS[1]]);
}
