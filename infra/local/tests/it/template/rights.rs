//! Each role allows what its function uses, and nothing else.

use serde_json::Value;

use super::{code_of, estate};

/// The code that a function may run: its own, the functions of the common crate that it calls by
/// name, those that they call, and so on.
fn reach(function: &str) -> String {
    let mut reached = code_of(&format!("functions/{function}/src")).concat();
    let shared = code_of("shared/src");
    let mut unreached: Vec<&str> = shared.iter().flat_map(|file| file.split("fn ").skip(1)).collect();
    loop {
        let before = unreached.len();
        unreached.retain(|body| {
            let call = format!("{}(", &body[..body.find(['(', '<']).unwrap_or(0)]);
            let mut calls = reached.match_indices(&call).map(|(at, _)| &reached[..at]);
            let called = calls.any(|before| before.ends_with(['.', ':', ' ']));
            if called {
                reached += body;
            }
            !called
        });
        if unreached.len() == before {
            return reached;
        }
    }
}

#[test]
fn a_function_reaches_what_it_calls_and_nothing_else() {
    let (summarize, canary) = (reach("summarize"), reach("canary"));
    assert!(summarize.contains(".change_message_visibility()") && summarize.contains(".get_object()"));
    assert!(!canary.contains(".change_message_visibility()") && !canary.contains(".get_object()"));
}

/// The code of a function uses every right of its role. The other direction is checked by the local
/// cloud, which refuses what a role does not allow.
#[test]
fn no_role_has_a_right_that_its_function_does_not_use() {
    // Lambda and the scheduler use these rights themselves, and connections to stores need the
    // tokens.
    let by_service = [
        "lambda:InvokeFunction", "logs:", "xray:", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
    ];
    let by_token = ["rds-db:connect", "elasticache:Connect"];
    // Application Auto Scaling uses these rights in the name of the caller.
    let on_behalf = |statement: &&Value| statement["Condition"]["Bool"]["aws:ViaAWSService"] == "true";
    // Without this right, S3 answers 403 instead of 404 for a missing object.
    let by_answer = ["s3:ListBucket"];
    let estate = estate("scale-use1");
    for (name, role) in estate
        .root
        .iter()
        .filter(|(name, resource)| resource["Type"] == "AWS::IAM::Role" && *name != "DeployRole")
    {
        let owner = name.trim_end_matches("Role").to_lowercase();
        let functions = ["api", "canary", "maintain", "prescale", "redrive"];
        let function = functions.into_iter().find(|function| *function == owner);
        let function = function.or(owner.starts_with("summarize").then_some("summarize"));
        // The role of a schedule belongs to no function. It only invokes one.
        let code = function.map_or_else(String::new, reach);
        let own = &role["Properties"]["Policies"][0]["PolicyDocument"];
        let others = estate.root.iter().map(|(_, resource)| resource).filter(|resource| {
            let is_policy = resource["Type"] == "AWS::IAM::Policy";
            is_policy && resource["Properties"]["Roles"][0]["Ref"] == name.as_str()
        });
        let documents = std::iter::once(own).chain(others.map(|policy| &policy["Properties"]["PolicyDocument"]));
        for action in documents
            .flat_map(|document| document["Statement"].as_array().unwrap())
            .filter(|statement| !on_behalf(statement))
            .flat_map(|statement| match &statement["Action"] {
                Value::Array(actions) => actions.clone(),
                action => vec![action.clone()],
            })
        {
            let action = action.as_str().unwrap();
            if by_service
                .iter()
                .chain(&by_token)
                .chain(&by_answer)
                .any(|known| action.starts_with(known))
            {
                continue;
            }
            let call: String = action.split(':').nth(1).unwrap().chars().fold(String::new(), |mut call, c| {
                if c.is_uppercase() && !call.is_empty() {
                    call.push('_');
                }
                call.extend(c.to_lowercase());
                call
            });
            let call = call.replace("d_b_", "db_");
            // The right to write an item is also the right to write it in a transaction.
            let in_transaction = call
                .strip_suffix("_item")
                .map(|write| format!("TransactWriteItem::builder().{write}("));
            assert!(
                code.contains(&format!(".{call}()")) || in_transaction.is_some_and(|write| code.contains(&write)),
                "{name} may {action}, but its function never calls {call}"
            );
        }
    }
}
