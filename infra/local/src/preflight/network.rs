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

/// A proxy takes the first subnets, this many, and can never get others.
const PROXIED: usize = 2;

/// The zones of the subnets, if the templates make any.
pub(super) fn zones(estate: &Estate) -> Option<Check<'static>> {
    let plan = Plan::of(estate);
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
    let is_needed = plan.wanted > 0;
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
        plan.judge(zones.collect(), &defaults)
    });
    is_needed.then_some(check)
}

/// The subnets that the templates make.
struct Plan {
    wanted: usize,
    has_proxy: bool,
    /// The zones that `ZoneNames` gives to the subnets. It has none if the region chooses them.
    chosen: Vec<String>,
}

impl Plan {
    fn of(estate: &Estate) -> Self {
        let mut subnets = estate.properties("AWS::EC2::Subnet");
        subnets.sort_unstable_by_key(|(name, _)| *name);
        let chosen = subnets.iter().filter_map(|(_, subnet)| subnet["AvailabilityZone"].as_str());
        Self {
            wanted: subnets.len(),
            has_proxy: !estate.of("AWS::RDS::DBProxy").is_empty(),
            chosen: chosen.map(str::to_owned).collect(),
        }
    }

    /// The subnets are in the zones of `ZoneNames`, in its order. Without it they are in the first
    /// ones of `Fn::GetAZs` in the order of their names, which gives the zones that have a default
    /// subnet, or all if none has one.
    fn judge(&self, mut zones: Vec<(&str, &str)>, defaults: &[&str]) -> Finding {
        let (wanted, all) = (self.wanted, zones.clone());
        if self.chosen.is_empty() {
            zones.retain(|(name, _)| defaults.is_empty() || defaults.contains(name));
            zones.sort_unstable();
            if zones.len() < wanted {
                return Finding::fails(format!(
                    "The network needs {wanted} availability zones, and CloudFormation offers {} in this region. Deploy with a smaller value of AvailabilityZones, in another region, or make a default subnet in one more zone with `aws ec2 create-default-subnet --availability-zone ZONE`.",
                    zones.len()
                ));
            }
        } else {
            let named = |chosen: &String| zones.iter().copied().find(|(name, _)| name == chosen);
            let missing: Vec<&str> = self.chosen.iter().filter(|one| named(one).is_none()).map(String::as_str).collect();
            if !missing.is_empty() {
                return Finding::fails(format!(
                    "ZoneNames names {}, and this region has no such zone available. {}",
                    missing.join(" and "),
                    self.advice(all)
                ));
            }
            if self.chosen.len() < wanted {
                return Finding::fails(format!(
                    "The network needs {wanted} availability zones, and ZoneNames names {}. {}",
                    self.chosen.len(),
                    self.advice(all)
                ));
            }
            zones = self.chosen.iter().filter_map(named).collect();
        }
        zones.truncate(wanted);
        let shown = |zones: &[(&str, &str)]| {
            let names: Vec<_> = zones.iter().map(|(name, id)| format!("{name} ({id})")).collect();
            names.join(" and ")
        };
        let mut without = zones.clone();
        without.truncate(PROXIED);
        without.retain(|(_, id)| self.has_proxy && WITHOUT_PROXY.contains(id));
        if without.is_empty() {
            return Finding::fine(format!("The network would take the zones {}.", shown(&zones)));
        }
        Finding::fails(format!(
            "The proxy would be in the first {PROXIED} zones of the network, of which {} has no RDS Proxy. {}",
            shown(&without),
            self.advice(all)
        ))
    }

    /// What to set `ZoneNames` to: zones with RDS Proxy first.
    fn advice(&self, mut zones: Vec<(&str, &str)>) -> String {
        let lacks = |id: &str| self.has_proxy && WITHOUT_PROXY.contains(&id);
        zones.sort_unstable_by_key(|(name, id)| (lacks(id), *name));
        let suitable = zones.iter().filter(|(_, id)| !lacks(id)).count();
        if zones.len() < self.wanted || suitable < PROXIED {
            return "No value of ZoneNames helps in this region, so deploy in another one.".to_owned();
        }
        let names: Vec<&str> = zones.iter().take(self.wanted).map(|(name, _)| *name).collect();
        format!(
            "Set ZoneNames in samconfig.toml to other zones, for example `ZoneNames={}`.",
            names.join(",")
        )
    }
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
    use crate::{
        preflight::Outcome,
        template::{self, stack},
        tools::python::Environment,
    };

    #[test]
    fn zones_without_a_proxy_are_noticed() {
        let zones = || vec![("us-east-1c", "use1-az4"), ("us-east-1a", "use1-az3"), ("us-east-1b", "use1-az1")];
        let judge = |wanted, has_proxy, chosen: &[&str], defaults: &[&str]| {
            let chosen = chosen.iter().map(|name| (*name).to_owned()).collect();
            let plan = Plan { wanted, has_proxy, chosen };
            plan.judge(zones(), defaults)
        };
        let [a, b, c] = ["us-east-1a", "us-east-1b", "us-east-1c"];
        for (wanted, has_proxy, chosen, defaults, outcome, says) in [
            (2, true, &[][..], &[][..], Outcome::Fails, "us-east-1a (use1-az3) has no RDS Proxy"),
            (2, true, &[], &[], Outcome::Fails, "`ZoneNames=us-east-1b,us-east-1c`"),
            (2, false, &[], &[], Outcome::Fine, "us-east-1a (use1-az3) and us-east-1b"),
            (3, true, &[], &[], Outcome::Fails, "`ZoneNames=us-east-1b,us-east-1c,us-east-1a`"),
            (2, true, &[], &[c, b], Outcome::Fine, "us-east-1b (use1-az1) and us-east-1c"),
            (3, true, &[], &[c, b], Outcome::Fails, "offers 2"),
            (4, true, &[], &[], Outcome::Fails, "offers 3"),
            (3, true, &[b, c, a], &[], Outcome::Fine, "us-east-1b (use1-az1) and us-east-1c"),
            (3, true, &[b, a, c], &[], Outcome::Fails, "us-east-1a (use1-az3) has no RDS Proxy"),
            (2, true, &[b, "us-east-1x"], &[], Outcome::Fails, "names us-east-1x"),
            (3, true, &[b, c], &[], Outcome::Fails, "ZoneNames names 2"),
        ] {
            let finding = judge(wanted, has_proxy, chosen, defaults);
            assert_eq!(finding.outcome, outcome, "{finding:?}");
            assert!(finding.text.contains(says), "{finding:?}");
        }
        let plan = Plan {
            wanted: 2,
            has_proxy: true,
            chosen: Vec::new(),
        };
        let narrow = plan.judge(vec![("us-west-1a", "usw1-az1"), ("us-west-1b", "usw1-az2")], &[]);
        assert!(narrow.text.contains("deploy in another one"), "{narrow:?}");
    }

    #[test]
    fn the_zones_of_the_template_are_those_of_zone_names() {
        Environment::Tools.install().unwrap();
        let (region, mut parameters) = template::environments().unwrap()["scale"].clone();
        let chosen = |parameters: &stack::Parameters| {
            let estate = template::estate("scale", &(region.clone(), parameters.clone())).unwrap().0;
            let plan = Plan::of(&estate);
            assert!(plan.has_proxy && plan.wanted == 3);
            plan.chosen
        };
        assert!(chosen(&parameters).is_empty());
        parameters.insert("ZoneNames".to_owned(), "c,a,b".to_owned());
        assert_eq!(chosen(&parameters), ["c", "a", "b"]);
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
