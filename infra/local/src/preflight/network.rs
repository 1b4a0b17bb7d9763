//! The availability zones that the network would take, and the quotas of what it is made of.

use serde_json::{Value, json};

use super::{
    account::Present,
    ask::{Answer, Call},
    check::{Check, Finding},
};
use crate::template::rules::Estate;

/// The zones in which RDS Proxy is not available: "Quotas and limitations for RDS Proxy" in the
/// Amazon RDS User Guide.
const WITHOUT_PROXY: [&str; 2] = ["use1-az3", "usw1-az2"];

/// The fewest zones in which RDS Proxy must be available.
const LEAST: usize = 2;

/// The zones of the subnets, if the templates make any.
pub(super) fn zones(estate: &Estate) -> Option<Check<'static>> {
    let wanted = estate.of("AWS::EC2::Subnet").len();
    let has_proxy = !estate.of("AWS::RDS::DBProxy").is_empty();
    let filter = |name: &str, value: &str| json!([{"Name": name, "Values": [value]}]);
    let calls = vec![
        Call::new(
            "ec2",
            "describe_availability_zones",
            json!({"Filters": filter("state", "available")}),
            "AvailabilityZones[?ZoneType=='availability-zone'].[ZoneName, ZoneId]",
        ),
        Call::new(
            "ec2",
            "describe_subnets",
            json!({"Filters": filter("default-for-az", "true")}),
            "Subnets[].AvailabilityZone",
        ),
    ];
    let check = Check::new("The availability zones", calls, move |answers| {
        let pairs = answers[0].value().as_array().into_iter().flatten();
        let zones = pairs.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
        let defaults: Vec<&str> = answers[1]
            .value()
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        judge_zones(wanted, has_proxy, zones.collect(), &defaults)
    });
    (wanted > 0).then_some(check)
}

/// `Fn::GetAZs` gives the zones that have a default subnet, or all if none has one. The template
/// takes the first of them in the order of their names.
fn judge_zones(wanted: usize, has_proxy: bool, mut zones: Vec<(&str, &str)>, defaults: &[&str]) -> Finding {
    zones.retain(|(name, _)| defaults.is_empty() || defaults.contains(name));
    zones.sort_unstable();
    if zones.len() < wanted {
        return Finding::fails(format!(
            "The network needs {wanted} availability zones, and CloudFormation offers {} in this region. Deploy with a smaller value of AvailabilityZones, in another region, or make a default subnet in one more zone with `aws ec2 create-default-subnet --availability-zone ZONE`.",
            zones.len()
        ));
    }
    zones.truncate(wanted);
    let (without, with): (Vec<_>, Vec<_>) = zones.iter().partition(|(_, id)| has_proxy && WITHOUT_PROXY.contains(id));
    let shown = |zones: &[&(&str, &str)]| {
        let names: Vec<_> = zones.iter().map(|(name, id)| format!("{name} ({id})")).collect();
        names.join(" and ")
    };
    if without.is_empty() {
        return Finding::fine(format!("The network would take the zones {}.", shown(&with)));
    }
    let without = shown(&without);
    if with.len() < LEAST {
        return Finding::fails(format!(
            "The network would take the zone {without}, where RDS Proxy is not available, and a proxy needs {LEAST} others. CloudFormation leaves out a zone that has no default subnet: if nothing uses the default subnet of that zone, delete it with `aws ec2 delete-subnet --subnet-id ID`, or deploy in another region."
        ));
    }
    Finding::warning(format!(
        "The network would take the zone {without}, where RDS Proxy is not available. The proxy would use only {}, and nothing needs to be done.",
        shown(&with)
    ))
}

/// A quota, and how to count what is used of it.
struct Quota {
    what: &'static str,
    kind: &'static str,
    /// The service and the code, as Service Quotas names them.
    service: &'static str,
    code: &'static str,
    default: f64,
    operation: &'static str,
    parameters: fn() -> Value,
    query: &'static str,
}

#[rustfmt::skip]
const QUOTAS: [Quota; 7] = [
    Quota { what: "VPCs", kind: "AWS::EC2::VPC", service: "vpc", code: "L-F678F1CE", default: 5.0, operation: "describe_vpcs", parameters: || json!({}), query: "length(Vpcs)" },
    Quota { what: "elastic IP addresses", kind: "AWS::EC2::EIP", service: "ec2", code: "L-0263D0A3", default: 5.0, operation: "describe_addresses", parameters: || json!({}), query: "length(Addresses)" },
    Quota { what: "gateway endpoints", kind: "AWS::EC2::VPCEndpoint", service: "vpc", code: "L-1B52E74A", default: 20.0, operation: "describe_vpc_endpoints", parameters: || json!({"Filters": [{"Name": "vpc-endpoint-type", "Values": ["Gateway"]}]}), query: "length(VpcEndpoints)" },
    Quota { what: "network interfaces", kind: "AWS::EC2::Subnet", service: "vpc", code: "L-DF5E4CA3", default: 5000.0, operation: "describe_network_interfaces", parameters: || json!({}), query: "length(NetworkInterfaces)" },
    Quota { what: "database proxies", kind: "AWS::RDS::DBProxy", service: "rds", code: "L-D94C7EA3", default: 20.0, operation: "describe_db_proxies", parameters: || json!({}), query: "length(DBProxies)" },
    Quota { what: "database clusters", kind: "AWS::RDS::DBCluster", service: "rds", code: "L-952B80B8", default: 40.0, operation: "describe_db_clusters", parameters: || json!({}), query: "length(DBClusters)" },
    Quota { what: "database instances", kind: "AWS::RDS::DBInstance", service: "rds", code: "L-7B6409FD", default: 40.0, operation: "describe_db_instances", parameters: || json!({}), query: "length(DBInstances)" },
];

/// The quotas of the region that a deployment uses up.
pub(super) fn quotas(estate: &Estate, present: &Present) -> Vec<Check<'static>> {
    let wanted = QUOTAS
        .iter()
        .map(|quota| (quota, wanted(estate, quota) - present.count(quota.kind)));
    wanted
        .filter(|(_, wanted)| *wanted > 0.0)
        .map(|(quota, wanted)| check(quota, wanted))
        .collect()
}

/// How many the templates make.
fn wanted(estate: &Estate, quota: &Quota) -> f64 {
    match quota.what {
        "gateway endpoints" => {
            let endpoints = estate.properties(quota.kind);
            let gateways = endpoints.iter().filter(|(_, endpoint)| endpoint["VpcEndpointType"] == "Gateway");
            gateways.fold(0.0, |count, _| count + 1.0)
        }
        // Each subnet gets an interface of the queue endpoint, of the functions, of the two proxy
        // endpoints, of the database and of the cache.
        "network interfaces" => 6.0 * estate.count(quota.kind),
        _ => estate.count(quota.kind),
    }
}

fn check(quota: &'static Quota, wanted: f64) -> Check<'static> {
    let client = if quota.kind.starts_with("AWS::RDS::") { "rds" } else { "ec2" };
    let parameters = json!({"ServiceCode": quota.service, "QuotaCode": quota.code});
    let calls = vec![
        Call::new(client, quota.operation, (quota.parameters)(), quota.query),
        Call::new("service-quotas", "get_service_quota", parameters, "Quota.Value"),
    ];
    Check::new(format!("The quota of {}", quota.what), calls, move |answers| {
        judge_quota(quota, wanted, answers[0].value().as_f64().unwrap_or(0.0), &answers[1])
    })
}

fn judge_quota(quota: &Quota, wanted: f64, used: f64, allowed: &Answer) -> Finding {
    let (what, code, service) = (quota.what, quota.code, quota.service);
    // A quota is never below its default, so that the default is enough if the deployment fits it.
    let most = allowed.value().as_f64().unwrap_or(quota.default);
    if used + wanted <= most {
        return Finding::fine(format!(
            "The account has {used} of {most} {what} in this region, and {wanted} more would be made."
        ));
    }
    if let Answer::Unknown(why) = allowed {
        return Finding::unknown(format!(
            "The account has {used} {what} in this region, and {wanted} more would be made. Whether the quota allows more than the usual {most} could not be checked: {why}."
        ));
    }
    Finding::fails(format!(
        "The account has {used} of {most} {what} in this region, and {wanted} more would be made. Delete some, or ask for more with `aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} --desired-value {}`.",
        used + wanted
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Outcome;

    #[test]
    fn zones_without_a_proxy_are_noticed() {
        let zones = || vec![("us-east-1c", "use1-az4"), ("us-east-1a", "use1-az3"), ("us-east-1b", "use1-az1")];
        let judge = |wanted, has_proxy, defaults: &[&str]| judge_zones(wanted, has_proxy, zones(), defaults);
        for (wanted, has_proxy, defaults, outcome, says) in [
            (2, true, &[][..], Outcome::Fails, "us-east-1a (use1-az3)"),
            (2, false, &[], Outcome::Fine, "us-east-1a (use1-az3) and us-east-1b"),
            (
                3,
                true,
                &[],
                Outcome::Warning,
                "only us-east-1b (use1-az1) and us-east-1c (use1-az4)",
            ),
            (
                2,
                true,
                &["us-east-1c", "us-east-1b"],
                Outcome::Fine,
                "us-east-1b (use1-az1) and us-east-1c",
            ),
            (3, true, &["us-east-1c", "us-east-1b"], Outcome::Fails, "offers 2"),
            (4, true, &[], Outcome::Fails, "offers 3"),
        ] {
            let finding = judge(wanted, has_proxy, defaults);
            assert_eq!(finding.outcome, outcome, "{finding:?}");
            assert!(finding.text.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn a_quota_that_cannot_be_read_has_its_default() {
        let quota = &QUOTAS[0];
        let unknown = || Answer::Unknown("the permission is missing".to_owned());
        for (used, allowed, outcome) in [
            (4.0, Answer::Is(json!(5.0)), Outcome::Fine),
            (5.0, Answer::Is(json!(5.0)), Outcome::Fails),
            (5.0, Answer::Is(json!(50.0)), Outcome::Fine),
            (5.0, Answer::Absent, Outcome::Fails),
            (4.0, unknown(), Outcome::Fine),
            (5.0, unknown(), Outcome::Unknown),
        ] {
            let finding = judge_quota(quota, 1.0, used, &allowed);
            assert_eq!(finding.outcome, outcome, "{finding:?}");
        }
    }
}
