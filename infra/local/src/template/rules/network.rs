//! The network of the functions and the stores.

use serde_json::Value;

use super::estate::{Estate, mentions};
use crate::template::stack::text;

pub(super) fn network(estate: &Estate, findings: &mut Vec<String>) {
    let Some(network) = estate.nested.get("network.yaml") else { return };
    let kinds: Vec<&str> = network.values().filter_map(|resource| resource["Type"].as_str()).collect();
    for (kind, what) in [
        ("AWS::EC2::NatGateway", "a NAT gateway costs more than the functions"),
        ("AWS::EC2::InternetGateway", "nothing needs an internet gateway"),
        ("AWS::EC2::Route", "the network has a route to the internet"),
    ] {
        if kinds.contains(&kind) {
            findings.push(what.to_owned());
        }
    }
    let zones = if estate.environment.starts_with("scale") { 3 } else { 2 };
    let subnets = estate.properties("AWS::EC2::Subnet");
    if subnets.len() != zones {
        findings.push(format!("the network has {} zones instead of {zones}", subnets.len()));
    }
    for (name, subnet) in subnets {
        if subnet["MapPublicIpOnLaunch"] != false {
            findings.push(format!("{name} gives out public addresses"));
        }
    }
    let endpoints = estate.properties("AWS::EC2::VPCEndpoint");
    for service in ["s3", "dynamodb", "sqs"] {
        let reached = |(_, endpoint): &(&str, &Value)| text(&endpoint["ServiceName"]).ends_with(&format!(".{service}"));
        if !endpoints.iter().any(reached) {
            findings.push(format!("functions cannot reach {service}"));
        }
    }
    let custom = estate
        .all()
        .filter(|(_, resource)| resource["Type"].as_str().is_some_and(|kind| kind.starts_with("Custom::")));
    let inside = custom
        .filter_map(|(_, resource)| estate.function(&resource["Properties"]["ServiceToken"]))
        .any(|(_, function)| !function["VpcConfig"].is_null());
    let answers = |(_, endpoint): &(&str, &Value)| mentions(&endpoint["PolicyDocument"], "cloudformation-custom-resource-response-");
    if inside && !endpoints.iter().any(answers) {
        findings.push("functions in the network cannot answer CloudFormation".to_owned());
    }
    for (name, group) in estate.properties("AWS::EC2::SecurityGroup") {
        if mentions(&group["SecurityGroupIngress"], "0.0.0.0/0") || mentions(&group["SecurityGroupIngress"], "::/0") {
            findings.push(format!("{name} accepts connections from every address"));
        }
    }
}
