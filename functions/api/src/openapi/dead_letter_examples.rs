//! Examples of the operations on dead letters.

use serde_json::{Value, json};

use super::operations::Named;

const ID: &str = "5d41402a-bc4b-4a76-b971-9d911017c592";
const SELECTION: &str = "0193a5c0-7c1e-7d3a-9b52-6f1f0f6f2a11";

pub(super) fn requests(operation: &str) -> Named {
    match operation {
        "selectDeadLetters" => vec![
            (
                "replay",
                "What a repaired defect has stopped",
                json!({"action": "replay", "filter": {"reason": "retries_exhausted", "parked_from": "2026-11-24T00:00:00Z"}}),
            ),
            (
                "purge",
                "Everything of a tenant",
                json!({"action": "purge", "filter": {"tenant": "acme"}}),
            ),
        ],
        _ => Vec::new(),
    }
}

pub(super) fn responses(operation: &str, status: &str) -> Named {
    match (operation, status) {
        ("listDeadLetters", "200") => vec![("one", "The only dead letter", json!({"items": [letter()]}))],
        ("readDeadLetter", "200") => {
            let mut read = letter();
            read["body_key"] = format!("dead-letters/standard/{ID}").into();
            vec![("expired", "A dead letter whose job has expired", read)]
        }
        ("selectDeadLetters", "201") => {
            let mut made = selection();
            made["more"] = false.into();
            vec![("one", "One letter is selected", made)]
        }
        ("readSelection", "200") => vec![("one", "One letter is left", selection())],
        ("confirmSelection", "200") => vec![(
            "done",
            "Everything is done",
            json!({"action": "replay", "done": 1, "skipped": [], "left": 0}),
        )],
        _ => Vec::new(),
    }
}

fn letter() -> Value {
    json!({
        "id": ID,
        "status": "parked",
        "lane": "standard",
        "region": "us-east-1",
        "job": "sum_use1_01JDCR0W00E05BQ75SEB3D7PSV",
        "tenant": "acme",
        "reason": "retries_exhausted",
        "receives": 20,
        "parked_at": "2026-11-24T11:40:00Z",
    })
}

fn selection() -> Value {
    json!({
        "id": SELECTION,
        "action": "replay",
        "count": 1,
        "letters": [ID],
        "expires_at": "2026-11-24T13:00:00Z",
    })
}
