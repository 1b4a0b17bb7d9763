//! `cargo local preflight` against accounts that MiniStack and moto emulate.
//!
//! MiniStack can be told the concurrency limit of the account, and checks the rights of a user. moto
//! has what it lacks: quotas, and zones with the ids of AWS. Neither has Application Signals, which
//! a server of this file answers for.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output, Stdio},
};

use local::{checkout::workspace, preflight, template, tools::python::Environment as Python};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    capacity::Moto,
    cloud::{SUPERVISOR, comes_true},
};

/// An AWS account. Its servers stop when it is dropped.
struct Account {
    ministack: tokio::process::Child,
    moto: Moto,
    /// `AWS_ENDPOINT_URL` for each service, the credentials, and the region.
    environment: Vec<(&'static str, String)>,
}

impl Account {
    async fn start(concurrency: u16) -> Self {
        Python::Cloud.install().unwrap();
        Python::Tools.install().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let ministack = tokio::process::Command::new(Python::Cloud.bin().join("python"))
            .args(["-m", "ministack"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs([
                ("GATEWAY_PORT", port.to_string()),
                ("BIND_HOST", "127.0.0.1".to_owned()),
                ("IOT_MTLS_ENABLED", "0".to_owned()),
                ("AUTH", "true".to_owned()),
                ("LAMBDA_ACCOUNT_CONCURRENCY", concurrency.to_string()),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let moto = Moto::start().await;
        let environment = vec![
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ENDPOINT_URL_EC2", moto.url.clone()),
            ("AWS_ENDPOINT_URL_SERVICE_QUOTAS", moto.url.clone()),
            ("AWS_ENDPOINT_URL_APPLICATION_SIGNALS", nothing_found().await),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ];
        let mut account = Self {
            ministack,
            moto,
            environment,
        };
        comes_true("MiniStack answers", async || {
            assert_eq!(account.ministack.try_wait().unwrap(), None, "MiniStack stopped");
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        account
    }

    /// Runs a program in the environment of the account.
    fn run(&self, command: &mut Command) -> Output {
        let aws = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"));
        for (name, _) in aws {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.env("PATH", Python::Tools.path().unwrap()).output().unwrap()
    }

    /// Runs a command of the AWS CLI, which must succeed. The CLI here is version 1, and has to be
    /// told the endpoint.
    fn shell(&self, line: &str) -> String {
        let script = format!("aws() {{ command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }}\n{line}");
        let output = self.run(Command::new("bash").args(["-c", &script]));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether all is well in the account, and what the command says.
    fn preflight(&self, environment: &str) -> (bool, String) {
        let output = self.run(Command::new(SUPERVISOR).args(["preflight", "--config-env", environment]));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains("would be deployed to the account"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.success(), said)
    }

    /// Becomes a user who has only these rights.
    fn sign_in_as(&mut self, name: &str, policy: &str) {
        self.shell(&format!("aws iam create-user --user-name {name}"));
        self.shell(&format!(
            "aws iam put-user-policy --user-name {name} --policy-name preflight --policy-document '{policy}'"
        ));
        let key: Value = serde_json::from_str(&self.shell(&format!("aws iam create-access-key --user-name {name}"))).unwrap();
        for (variable, field) in [("AWS_ACCESS_KEY_ID", "AccessKeyId"), ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey")] {
            let value = key["AccessKey"][field].as_str().unwrap().to_owned();
            self.environment.retain(|(name, _)| *name != variable);
            self.environment.push((variable, value));
        }
    }
}

/// The address of a server that finds nothing: it answers every request as Application Signals
/// answers if there is no such objective.
async fn nothing_found() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 8_192];
            let _ = connection.read(&mut request).await;
            let answer =
                "HTTP/1.1 404 Not Found\r\nx-amzn-errortype: ResourceNotFoundException\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

fn lines<'a>(said: &'a str, mark: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.starts_with(mark)).collect()
}

/// The policy in docs/deploying.md that a caller of the command needs.
fn documented_policy() -> String {
    let text = fs::read_to_string(workspace().join("docs/deploying.md")).unwrap();
    let (_, after) = text.split_once("```json\n").expect("the page has a policy");
    after.split_once("```").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_has_too_little_concurrency() {
    let account = Account::start(10).await;
    let (is_fine, said) = account.preflight("growth");
    assert!(!is_fine, "{said}");
    let failing = lines(&said, "FAILS");
    assert_eq!((failing.len(), lines(&said, "unknown").len()), (1, 0), "{said}");
    for part in [
        "may run 10 functions", "growth reserves 136", "at least 236", "--quota-code L-B99A9384",
    ] {
        assert!(failing[0].contains(part), "{failing:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_names_are_found_and_their_commands_free_them() {
    let account = Account::start(1000).await;
    for taken in [
        "sqs create-queue --queue-name summarease-express",
        "logs create-log-group --log-group-name /summarease/summarease/api",
        "cloudwatch put-dashboard --dashboard-name summarease-us-east-1 --dashboard-body '{\"widgets\":[]}'",
        "backup create-backup-vault --backup-vault-name summarease",
        "elasticache create-user --user-id summarease --user-name summarease --engine valkey --access-string 'on ~* +@all' --authentication-mode Type=iam",
    ] {
        account.shell(&format!("aws {taken}"));
    }
    // These names only begin like those of the templates.
    account.shell("aws sqs create-queue --queue-name summarease-express-2");
    account.shell("aws logs create-log-group --log-group-name /summarease/summarease/api-2");
    let attribute = "--attribute-definitions AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH";
    account.shell(&format!(
        "aws dynamodb create-table --table-name summarease-LedgerTable-1A2B3C {attribute} --billing-mode PAY_PER_REQUEST"
    ));

    let (is_fine, said) = account.preflight("growth");
    assert!(!is_fine, "{said}");
    let failing = lines(&said, "FAILS");
    assert_eq!((failing.len(), lines(&said, "unknown").len()), (5, 0), "{said}");
    let warned = lines(&said, "warning").join("\n");
    assert!(warned.contains("the table summarease-LedgerTable-1A2B3C"), "{said}");

    for line in failing {
        let command = line.split('`').nth(1).expect("a command");
        account.shell(command);
    }
    let (is_fine, said) = account.preflight("growth");
    assert!(is_fine, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_the_documented_rights_sees_that_all_is_well() {
    let mut account = Account::start(1000).await;
    account.sign_in_as("reader", &documented_policy());
    let (is_fine, said) = account.preflight("growth");
    assert!(is_fine, "{said}");
    assert!(said.ends_with("Nothing is in the way of the deployment.\n"), "{said}");
    assert!(account.moto.url.starts_with("http"), "moto runs until here");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_may_not_ask_is_not_taken_for_success() {
    let mut account = Account::start(1000).await;
    let denied = "\"cloudwatch:ListDashboards\",";
    let policy = documented_policy();
    assert!(policy.contains(denied));
    account.sign_in_as("stranger", &policy.replace(denied, ""));
    let (is_fine, said) = account.preflight("growth");
    assert!(!is_fine, "{said}");
    assert_eq!(lines(&said, "FAILS").len(), 0, "{said}");
    assert_eq!(
        lines(&said, "unknown"),
        [
            "unknown  The name summarease-us-east-1 (AWS::CloudWatch::Dashboard) could not be checked: the permission cloudwatch:ListDashboards is missing."
        ],
    );
}

/// The environments that differ in more than their region.
fn phases() -> impl Iterator<Item = (String, (Option<String>, template::stack::Parameters))> {
    let environments = template::environments().unwrap().into_iter();
    environments.filter(|(name, _)| ["startup", "growth", "scale"].contains(&name.as_str()))
}

/// The servers above do not check every permission, so the policy is also compared with the calls.
#[test]
fn the_documented_policy_has_every_permission() {
    let policy: Value = serde_json::from_str(&documented_policy()).unwrap();
    let actions = policy["Statement"][0]["Action"].as_array().unwrap();
    let documented: BTreeSet<String> = actions.iter().map(|action| action.as_str().unwrap().to_owned()).collect();
    Python::Tools.install().unwrap();
    let mut needed = BTreeSet::new();
    for (name, mut environment) in phases() {
        for (parameter, value) in [("DomainName", "api.example.com"), ("HostedZoneId", "Z1")] {
            environment.1.insert(parameter.to_owned(), value.to_owned());
        }
        needed.extend(preflight::permissions(&template::estate(&name, &environment).unwrap().0));
    }
    assert_eq!(documented, needed);
}

#[test]
fn every_environment_deploys_the_stack_that_is_checked() {
    let file = fs::read_to_string(workspace().join("samconfig.toml")).unwrap();
    let names: BTreeSet<&str> = file.lines().filter_map(|line| line.strip_prefix("stack_name = ")).collect();
    assert_eq!(names, BTreeSet::from([format!("\"{}\"", template::STACK).as_str()]));
}

/// A property that holds a name or an id as plain text is looked for in the account, or is listed
/// here because two resources may share the name.
#[test]
fn every_fixed_name_is_looked_for() {
    let shared = BTreeSet::from([
        ("AWS::ApiGatewayV2::Api", "Name"),
        ("AWS::ApiGatewayV2::Stage", "StageName"),
        ("AWS::ApplicationAutoScaling::ScalingPolicy", "PolicyName"),
        ("AWS::EC2::VPCEndpoint", "ServiceName"),
        ("AWS::IAM::Policy", "PolicyName"),
        ("AWS::Lambda::Alias", "Name"),
        ("AWS::RDS::DBCluster", "DatabaseName"),
        ("AWS::RDS::DBInstance", "DBName"),
        ("AWS::RDS::DBProxyTargetGroup", "TargetGroupName"),
    ]);
    Python::Tools.install().unwrap();
    let mut missed = BTreeSet::new();
    for (name, environment) in phases() {
        for (kind, property) in preflight::fixed_names(&template::estate(&name, &environment).unwrap().0) {
            if !shared.contains(&(kind.as_str(), property.as_str())) {
                missed.insert((kind, property));
            }
        }
    }
    assert_eq!(missed, BTreeSet::new());
}
