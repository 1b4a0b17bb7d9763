//! Makes one real summary and checks its result.

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

use crate::{context::Context, endpoint::Endpoint};

/// Time between two reads of an unfinished job.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the API key of a run is valid. A run takes much less time.
const KEY_LIFE: Duration = Duration::from_mins(10);

/// A run of the canary. It has an API key of its own, which is never shown to anyone.
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

    /// The API key of this run.
    pub(crate) const fn key(&self) -> &SecretString {
        &self.key
    }

    /// Submits a text to the API and waits for its summary.
    pub(crate) async fn submit(&self, api: &Endpoint) -> Result<(), Error> {
        let text = text();
        let body = json!({"text": text, "length": {"sentences": 1}});
        let (status, resource) = api.request(Method::POST, "/v1/summaries", &self.key, Some(&body)).await?;
        if status != 202 {
            return Err(format!("the submission was answered with status {status}: {resource}").into());
        }
        let path = resource["links"]["self"]
            .as_str()
            .ok_or("the answer to the submission has no link `self`")?;
        self.wait(api, path, &text).await
    }

    /// Invokes a worker with a job, as its lane does, and reads the result through the API.
    pub(crate) async fn invoke_worker(&self, worker: &Endpoint, api: &Endpoint) -> Result<(), Error> {
        let text = text();
        let (_, options) = Submission::parse(json!({"text": text, "length": {"sentences": 1}}).to_string().as_bytes())?;
        let job = JobId::new(RegionTag::from_region(self.region), Uuid::now_v7());
        let path = format!("/v1/summaries/{job}");
        let message = Message::Summarize(SummarizeMessage {
            job,
            tenant: self.tenant.clone(),
            key: None,
            deferred: false,
            again: false,
            lane: Lane::Express,
            created_at: OffsetDateTime::now_utc(),
            fingerprint: fingerprint(ENGINE, &options, &text),
            options,
            document: Document::Inline(text.clone()),
            document_bytes: None,
            trace: None,
        });
        let reply = worker.invoke(&lane_event(&message)).await?;
        if reply["batchItemFailures"] != json!([]) {
            return Err(format!("the worker did not finish the job and returned it to its lane: {reply}").into());
        }
        self.wait(api, &path, &text).await
    }

    async fn wait(&self, api: &Endpoint, path: &str, text: &str) -> Result<(), Error> {
        loop {
            let (status, resource) = api.request(Method::GET, path, &self.key, None).await?;
            match (status, resource["status"].as_str()) {
                (200, Some("queued" | "running")) => tokio::time::sleep(PAUSE).await,
                (200, Some("succeeded")) => return check(&resource["result"], text),
                _ => return Err(format!("reading the job was answered with status {status}: {resource}").into()),
            }
        }
    }
}

/// Checks a result. It must be exactly one sentence, and that sentence must be found in the text at
/// the offset that the result gives.
fn check(result: &Value, text: &str) -> Result<(), Error> {
    let sentence = &result["sentences"][0];
    let number = |name: &str| sentence[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let (offset, length) = number("offset").zip(number("length")).ok_or("the result has no sentence")?;
    let expected: String = text.chars().skip(offset).take(length).collect();
    let only = result["sentences"].as_array().is_some_and(|sentences| sentences.len() == 1);
    if !only || sentence["text"] != expected.as_str() || result["text"] != expected.as_str() {
        return Err(format!("the result is not one sentence of the text: {result}").into());
    }
    Ok(())
}

/// A text that was never summarised before, so that its result is not in the cache.
fn text() -> String {
    format!(
        "The keeper of the mine takes a canary along on every shift. A canary that falls silent tells the miners to leave at once. \
         Shift {} began with song and ended with it.",
        Uuid::new_v4().simple()
    )
}

/// The event that Lambda makes from one message of a lane. Its receipt handle is not valid. That
/// does not matter, because the worker uses it only for a job that it returns to the lane, and then
/// the run has failed.
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
    fn a_correct_result_passes() {
        check(&result(13, 10, "Ein Sturm."), TEXT).unwrap();
    }

    #[test]
    fn a_wrong_result_is_refused() {
        for wrong in [
            result(12, 10, "Ein Sturm."),
            result(13, 10, "Ein Storm."),
            json!({"text": "Zwölf Boote. Ein Sturm.", "sentences": [{"offset": 13, "length": 10, "text": "Ein Sturm."}]}),
            json!({"text": "", "sentences": []}),
            Value::Null,
        ] {
            assert!(check(&wrong, TEXT).is_err(), "{wrong}");
        }
    }
}
