//! One real summary, from the text to a result that is looked at.

use std::time::Duration;

use lambda_runtime::Error;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{
    directory::Tenant,
    job::{Document, JobId, Lane, Message, Plan, RegionTag, Submission, SummarizeMessage, TenantId, fingerprint},
    summarizer::ENGINE,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{context::Context, door::Door};

/// Time between two looks at an unfinished job.
const PAUSE: Duration = Duration::from_millis(250);
/// A run is over long before its key is.
const KEY_LIFE: Duration = Duration::from_mins(10);

/// A run with a tenant and a key of its own, which nobody else ever sees.
pub(crate) struct Probe<'a> {
    region: &'a str,
    tenant: TenantId,
    key: SecretString,
}

impl<'a> Probe<'a> {
    pub(crate) async fn begin(context: &'a Context) -> Result<Self, Error> {
        let key = SecretString::from(format!("sk_canary_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()));
        let tenant = Tenant {
            id: TenantId::try_from("canary".to_owned())?,
            plan: Plan::Pro,
        };
        let expires_at = OffsetDateTime::now_utc() + KEY_LIFE;
        context.directory.register(&key, &tenant, Some(expires_at)).await?;
        Ok(Self {
            region: &context.region,
            tenant: tenant.id,
            key,
        })
    }

    /// Submits a text through a door of the API and waits for its summary.
    pub(crate) async fn submit(&self, api: &Door) -> Result<(), Error> {
        let text = text();
        let body = json!({"text": text, "length": {"sentences": 1}});
        let (status, resource) = api.request(Method::POST, "/v1/summaries", &self.key, Some(&body)).await?;
        if status != 202 {
            return Err(format!("a submission was answered with {status}: {resource}").into());
        }
        let path = resource["links"]["self"].as_str().ok_or("a job has no link to itself")?;
        self.wait(api, path, &text).await
    }

    /// Hands a job to a worker as its lane would, and reads the result through the API.
    pub(crate) async fn hand_over(&self, worker: &Door, api: &Door) -> Result<(), Error> {
        let text = text();
        let (_, options) = Submission::parse(json!({"text": text, "length": {"sentences": 1}}).to_string().as_bytes())?;
        let job = JobId::new(RegionTag::from_region(self.region), Uuid::now_v7());
        let path = format!("/v1/summaries/{job}");
        let message = Message::Summarize(SummarizeMessage {
            job,
            tenant: self.tenant.clone(),
            lane: Lane::Express,
            created_at: OffsetDateTime::now_utc(),
            fingerprint: fingerprint(ENGINE, &options, &text),
            options,
            document: Document::Inline(text.clone()),
        });
        let reply = worker.invoke(&lane_event(&message)).await?;
        if reply["batchItemFailures"] != json!([]) {
            return Err(format!("a job was given back: {reply}").into());
        }
        self.wait(api, &path, &text).await
    }

    async fn wait(&self, api: &Door, path: &str, text: &str) -> Result<(), Error> {
        loop {
            let (status, resource) = api.request(Method::GET, path, &self.key, None).await?;
            match (status, resource["status"].as_str()) {
                (200, Some("queued" | "running")) => tokio::time::sleep(PAUSE).await,
                (200, Some("succeeded")) => return judge(&resource["result"], text),
                _ => return Err(format!("reading a job was answered with {status}: {resource}").into()),
            }
        }
    }
}

/// A result is right if it is one sentence of the text, found where it says.
fn judge(result: &Value, text: &str) -> Result<(), Error> {
    let sentence = &result["sentences"][0];
    let number = |name: &str| sentence[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let (offset, length) = number("offset").zip(number("length")).ok_or("a summary has no sentence")?;
    let there: String = text.chars().skip(offset).take(length).collect();
    let only = result["sentences"].as_array().is_some_and(|sentences| sentences.len() == 1);
    if !only || sentence["text"] != there.as_str() || result["text"] != there.as_str() {
        return Err(format!("a summary is not a sentence of the text: {result}").into());
    }
    Ok(())
}

/// A text that was never summarised before, so that no cache knows it.
fn text() -> String {
    format!(
        "The keeper of the mine takes a canary along on every shift. A canary that falls silent tells the miners to leave at once. \
         Shift {} began with song and ended with it.",
        Uuid::new_v4().simple()
    )
}

/// What Lambda makes of one message of a lane. The receipt is nobody's: a job that is given back fails the run anyway.
fn lane_event(message: &Message) -> Value {
    json!({"Records": [{
        "messageId": Uuid::new_v4().to_string(),
        "receiptHandle": "canary",
        "body": message.to_body(),
        "attributes": { "ApproximateReceiveCount": "1" },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Zwölf Boote. Ein Sturm.";

    fn result(offset: usize, length: usize, sentence: &str) -> Value {
        json!({"text": sentence, "sentences": [{"offset": offset, "length": length, "text": sentence}]})
    }

    #[test]
    fn a_right_summary_passes() {
        judge(&result(13, 10, "Ein Sturm."), TEXT).unwrap();
    }

    #[test]
    fn a_wrong_summary_does_not() {
        for wrong in [
            result(12, 10, "Ein Sturm."),
            result(13, 10, "Ein Storm."),
            json!({"text": "Zwölf Boote. Ein Sturm.", "sentences": [{"offset": 13, "length": 10, "text": "Ein Sturm."}]}),
            json!({"text": "", "sentences": []}),
            Value::Null,
        ] {
            assert!(judge(&wrong, TEXT).is_err(), "{wrong}");
        }
    }
}
