//! What parameters the root template accepts, and what they change.

use std::{collections::BTreeSet, fs};

use local::{
    checkout::workspace,
    template::{
        self, REGIONS, rules,
        stack::{self, Parameters, Stack},
    },
};

use super::{estate, translated};

#[test]
fn a_wrong_mix_of_parameters_is_refused() {
    let template = translated();
    let refusals = |pairs: &[(&str, &str)]| {
        let given = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Stack::new("summarease", &template, &given, REGIONS[0]).refusals().join("; ")
    };
    let brought = [
        ("DatabaseUrl", "postgres://a@b:5432/c"),
        ("DatabaseDirectUrl", "postgres://a@b:5432/c"),
        ("ValkeyUrl", "redis://b:6379"),
    ];
    assert_eq!(refusals(&brought), "");
    for (change, says) in [
        (("DatabaseUrl", ""), "Database=bring needs DatabaseUrl"),
        (("DatabaseDirectUrl", ""), "needs DatabaseDirectUrl"),
        (("ValkeyUrl", ""), "Cache=bring needs ValkeyUrl"),
        (("Database", "aurora"), "a database made here needs Network=create"),
        (("Cache", "serverless"), "ValkeyUrl is for Cache=bring only"),
        (("BackupCopyRegion", REGIONS[0]), "another region than this one"),
        (("BackupCopyRegion", REGIONS[1]), "needs a database made here"),
        (("GlobalClusterId", "earth"), "GlobalClusterId needs Database=aurora"),
        (("Writes", "forwarded"), "Writes=forwarded needs Database=aurora"),
        (("LedgerTableName", "ledger"), "either both tables are global or none"),
        (("DomainName", "api.example.com"), "DomainName needs HostedZoneId"),
        (("GradualDeployments", "true"), "GradualDeployments needs Monitoring"),
        (("CapacityPlan", "guess"), "CapacityPlan may not be guess"),
        (("AvailabilityZones", "1"), "AvailabilityZones may not be 1"),
        (("ExpressConcurrency", "1"), "ExpressConcurrency is out of bounds"),
        (("WorkerTimeout", "61"), "WorkerTimeout may not be 61"),
        (("WorkerTimeout", "10"), "WorkerTimeout may not be 10"),
        (("ExpressMemory", "1023"), "ExpressMemory is out of bounds"),
        (("StandardMemory", "512"), "StandardMemory is out of bounds"),
        (("BulkMemory", "256"), "BulkMemory is out of bounds"),
        (("Colour", "blue"), "there is no parameter Colour"),
    ] {
        let mut pairs = brought.to_vec();
        pairs.retain(|(name, _)| *name != change.0);
        pairs.push(change);
        let found = refusals(&pairs);
        assert!(found.contains(says), "{change:?} gave {found:?}");
    }
    let planned = [brought.as_slice(), &[("Prescaling", "true"), ("BulkLane", "false")]].concat();
    assert!(refusals(&planned).contains("Prescaling needs BulkLane"));
}

/// The visibility timeout of a lane is not computed from its parameters, because a template cannot
/// multiply. It is long enough for each value that they allow.
#[test]
fn the_visibility_timeout_fits_every_value_that_the_parameters_allow() {
    let template = translated();
    let longest = &template["Parameters"]["BulkWindowSeconds"]["MaxValue"];
    let environment = &template::environments().unwrap()["scale"].1;
    for timeout in template["Parameters"]["WorkerTimeout"]["AllowedValues"].as_array().unwrap() {
        let mut parameters = environment.clone();
        parameters.insert("WorkerTimeout".to_owned(), stack::text(timeout));
        parameters.insert("BulkWindowSeconds".to_owned(), stack::text(longest));
        let (estate, _) = template::estate("scale", &(None, parameters)).unwrap();
        assert_eq!(rules::findings(&estate), Vec::<String>::new(), "WorkerTimeout={timeout}");
    }
}

/// Lambda publishes a new version when `Settings` changes, and an alias runs published versions
/// only.
#[test]
fn a_new_value_of_a_parameter_reaches_the_functions_behind_an_alias() {
    let template = translated();
    let brought = ["DatabaseUrl", "DatabaseDirectUrl", "ValkeyUrl", "SubnetIds", "SecurityGroupIds"];
    let bases = [
        brought.map(|name| (name.to_owned(), format!("of-{name}"))).into(),
        template::environments().unwrap()["growth"].1.clone(),
    ];
    let mut concern = BTreeSet::new();
    for base in bases {
        let settings_and_functions = |given: &Parameters| {
            let mut resources = Stack::new("summarease", &template, given, REGIONS[0]).resources();
            let functions = ["Api", "SummarizeExpress", "SummarizeStandard", "SummarizeBulk"].map(|name| {
                let mut function = resources.remove(name).unwrap()["Properties"].take();
                // This belongs to the function, not to a version of it.
                function.as_object_mut().unwrap().remove("ReservedConcurrentExecutions");
                assert!(
                    function["Environment"]["Variables"]["SETTINGS"].to_string().contains("Digest"),
                    "{name}"
                );
                function
            });
            (resources["Schema"]["Properties"]["Settings"].clone(), functions)
        };
        let before = settings_and_functions(&base);
        for (name, definition) in template["Parameters"].as_object().unwrap() {
            let is = base.get(name).cloned().unwrap_or_else(|| stack::text(&definition["Default"]));
            let allowed = definition["AllowedValues"].as_array().into_iter().flatten().map(stack::text);
            let others: Vec<String> = allowed.filter(|value| *value != is).collect();
            let other = others.first().cloned().unwrap_or_else(|| format!("{is}1"));
            let mut given = base.clone();
            given.insert(name.clone(), other);
            let after = settings_and_functions(&given);
            if after.1 != before.1 {
                assert_ne!(after.0, before.0, "{name} is not among the settings of Schema");
                concern.insert(name.clone());
            }
        }
    }
    assert!(concern.contains("StandardMemory") && concern.contains("DatabaseUrl"), "{concern:?}");
}

#[test]
fn every_function_that_reaches_postgres_waits_for_the_newest_migration() {
    let estate = estate("startup");
    assert_eq!(
        estate.root["Schema"]["Properties"]["Version"],
        shared::archive::Archive::newest_migration().to_string()
    );
    for (name, function) in estate
        .root
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function")
    {
        let waits = function["DependsOn"].to_string().contains("Schema")
            || !function["Properties"]["Environment"]["Variables"]["SETTINGS"].is_null();
        assert_eq!(waits, !["Maintain", "Prescale"].contains(&name.as_str()), "{name}");
    }
}

#[test]
fn no_template_names_a_region_an_account_or_a_partition() {
    for file in template::NESTED
        .map(|name| format!("infra/{name}"))
        .into_iter()
        .chain(["template.yaml".to_owned()])
    {
        let text = fs::read_to_string(workspace().join(&file)).unwrap();
        for line in text.lines() {
            let region = ["us-", "eu-", "ap-"].iter().any(|area| {
                line.match_indices(area).any(|(at, _)| {
                    let rest = &line[at + area.len()..];
                    ["east-", "west-", "central-", "southeast-", "northeast-", "south-", "north-"]
                        .iter()
                        .any(|side| rest.starts_with(side))
                })
            });
            let account = line.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() == 12);
            assert!(!region && !account && !line.contains("arn:aws"), "{file}: {line}");
        }
    }
}
