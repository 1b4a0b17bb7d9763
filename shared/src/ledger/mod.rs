//! The ledger in DynamoDB: every accepted job, and for a few days the finished ones too.
//!
//! One table holds both. Its partition key is `id`, the job id. All items have `tenant`, `key` (the
//! key that submitted the job) and `expires_at` (the time to live, seconds since 1970).
//!
//! - While a job is unfinished, `resource` is the queued summary resource as JSON, `attempts` is a
//!   list of JSON strings, and `replays` is how often its message was taken out of the dead-letter
//!   queue again. `check_sent_at` and `checked_at` (seconds since 1970) are when a message was sent that
//!   checks the job, and when a worker has checked it; `checks` is how often that was. `unfinished_of` (the tenant) and `submission` (the part of the id
//!   that is ordered by time) are the keys of the index `unfinished`, which lists these jobs.
//! - When it has finished, `ended` is the finished resource as deflated JSON, and `ended_at` is
//!   when that was, in seconds since 1970. If this is too large for one item, `more` (a number)
//!   items `<id>#1`, `<id>#2` and so on hold the rest.
//! - When its client has erased it, `erased` is `true`, and nothing else is left.
//!
//! Items whose id begins with `idempotency#` belong to the module `idempotency`.

mod idempotency;
mod item;
mod repeatable;
mod sweep;
mod unfinished;
mod update;

use std::{
    collections::HashSet,
    io::{self, Write},
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{get_item::GetItemError, update_item::builders::UpdateItemFluentBuilder},
    primitives::Blob,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use futures::future::{join_all, try_join_all};
use time::{Duration, OffsetDateTime};

use crate::{
    config::{self, ConfigError},
    gather::{Gather, Sink},
    job::{Attempt, Job, JobId, SummaryResource, TenantId},
    kill::{self, Step},
    store::{BoxError, Chain, Store, StoreError, parse},
};

use item::{Item, bytes, item, number, seconds, text};
pub use repeatable::{Earlier, Repeatable};
pub use sweep::{Unfinished, is_silent};
use update::updated;

/// How long the ledger keeps an unfinished job. This is longer than a message can stay in a lane
/// and its dead-letter queue together.
const KEPT: Duration = Duration::days(60);
/// How long the ledger keeps a finished job. Within that time, an archive that has lost its last
/// writes can be repaired.
pub const FINISHED_KEPT: Duration = Duration::days(3);
/// Bytes of a finished job in one item. DynamoDB allows 400 KB for an item.
const PART: usize = 350 * 1024;
/// Items in one `BatchWriteItem`.
const BATCH: usize = 25;
/// How often a message is sent to its lane again after it was received too often.
const MOST_REPLAYS: u32 = 3;
/// Forgets when and how often it was checked whether a job still has a message.
const FORGET_CHECKS: &str = "REMOVE check_sent_at, checked_at, checks";
/// Why an item is not there after all of them.
const UNPROCESSED: &str = "DynamoDB did not process all items";
/// How often a batch is sent at most if DynamoDB processes only a part of it.
const ATTEMPTS: u32 = 5;

/// Some of the finished jobs of the table.
pub struct FinishedJobs {
    pub jobs: Vec<Job>,
    /// The ids of finished jobs that cannot be read.
    pub damaged: Vec<String>,
    /// Behind which item the next page begins. `None` if this is the last one.
    pub next: Option<String>,
}

/// The table of accepted jobs.
#[derive(Clone)]
pub struct Ledger {
    client: Client,
    table: String,
    /// Accepted jobs that are recorded together with others.
    gathered: Option<Gather<Accepting>>,
}

impl Ledger {
    /// The ledger in the table that `LEDGER_TABLE` names.
    ///
    /// # Errors
    /// If the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::required("LEDGER_TABLE")?))
    }

    /// The ledger in `table`.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self {
            client: Client::new(aws),
            table,
            gathered: None,
        }
    }

    /// Records accepted jobs in calls of up to 25, which are gathered from requests at the same time.
    #[must_use]
    pub fn gathering(mut self) -> Self {
        self.gathered = Some(Gather::new(Accepting(self.clone())));
        self
    }

    /// Records a job before it is sent to its lane. A job that has finished already is recorded
    /// with its final result.
    ///
    /// If the client has sent an idempotency key, it is recorded in the same transaction. If it was
    /// recorded before, nothing is changed, and the earlier submission is returned.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn accept(&self, job: &Job, repeatable: Option<&Repeatable>) -> Result<Option<Earlier>, StoreError> {
        const OPERATION: &str = "record an accepted job";
        let failed = |error: BoxError| StoreError::new(Store::Ledger, OPERATION, error);
        let item = if job.resource.status().is_final() {
            let mut parts = finished(job).map_err(failed)?;
            if parts.len() > 1 {
                return Err(failed("the result is too large for one item".into()));
            }
            parts.remove(0)
        } else {
            accepted(job).map_err(failed)?
        };
        if let Some(repeatable) = repeatable {
            return self.accept_once(item, job, repeatable).await;
        }
        if let Some(gathered) = &self.gathered {
            return gathered.write(item).await.map(|()| None);
        }
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(id)").send().await;
        match put.map_err(SdkError::into_service_error) {
            // Nobody else has this id. So the item is there because the answer to the first request
            // was lost, and the SDK has sent it again.
            Err(error) if error.is_conditional_check_failed_exception() => Ok(None),
            put => put.map(|_| None).map_err(|error| failed(error.into())),
        }
    }

    /// Records that a job that failed at `failed_at` is unfinished again, with its attempts so far. Returns
    /// false if the client has erased it, or it has another end meanwhile.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn reopen(&self, job: &Job, failed_at: OffsetDateTime) -> Result<bool, StoreError> {
        const OPERATION: &str = "open a failed job again";
        let item = accepted(job).map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(id) OR attribute_exists(attempts) OR ended_at = :failed_at")
            .expression_attribute_values(":failed_at", seconds(failed_at))
            .send()
            .await;
        match put.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(StoreError::new(Store::Ledger, OPERATION, error)),
        }
    }

    /// Deletes a job that could not be sent to its lane.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn withdraw(&self, id: &JobId) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.table);
        let deleted = request.key("id", AttributeValue::S(id.to_string())).send().await;
        deleted
            .map(drop)
            .map_err(StoreError::because(Store::Ledger, "delete a job that was not queued"))
    }

    /// Takes everything out of a job but that it was there.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn erase(&self, tenant: &TenantId, id: &JobId) -> Result<(), StoreError> {
        const OPERATION: &str = "erase a job";
        let erase = async {
            let parts = self.get(&id.to_string()).await?;
            let more: u32 = parts.as_ref().and_then(|item| item.get("more")).map_or(Ok(0), number)?;
            let erased = item([
                ("id", AttributeValue::S(id.to_string())),
                ("tenant", AttributeValue::S(tenant.to_string())),
                ("erased", AttributeValue::Bool(true)),
                ("expires_at", seconds(OffsetDateTime::now_utc() + FINISHED_KEPT)),
            ]);
            self.put(vec![erased]).await?;
            try_join_all((1..=more).map(|number| {
                let request = self.client.delete_item().table_name(&self.table);
                request.key("id", AttributeValue::S(format!("{id}#{number}"))).send()
            }))
            .await?;
            Ok::<_, BoxError>(())
        };
        erase.await.map_err(StoreError::because(Store::Ledger, OPERATION))
    }

    /// Finds a job. An unfinished job has the attempts that failed so far. A job that has expired or
    /// was erased is not found. The read is strongly consistent.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn find(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        const OPERATION: &str = "find a job";
        let find = async {
            match self.get(&id.to_string()).await? {
                Some(item) if !item.contains_key("erased") => {
                    let job = self.read(&item).await?;
                    Ok::<_, BoxError>(Some(job).filter(|job| !is_expired(&job.resource)))
                }
                _ => Ok(None),
            }
        };
        find.await.map_err(StoreError::because(Store::Ledger, OPERATION))
    }

    /// Finds several jobs, each as [`find`](Self::find) does. A job that is not found is left out.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn find_all(&self, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let found = try_join_all(ids.iter().map(|id| self.find(id))).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// A change of the item with this id.
    fn update(&self, id: &impl ToString) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update.key("id", AttributeValue::S(id.to_string()))
    }

    async fn get(&self, id: &str) -> Result<Option<Item>, BoxError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let reply = request.key("id", AttributeValue::S(id.to_owned())).send().await?;
        Ok(reply.item)
    }

    async fn read(&self, item: &Item) -> Result<Job, BoxError> {
        let resource = match item.get("ended") {
            None => text(item, "resource")?.to_owned(),
            Some(part) => {
                let mut deflated = bytes(part)?.to_vec();
                let more: u32 = item.get("more").map_or(Ok(0), number)?;
                for number in 1..=more {
                    let id = format!("{}#{number}", text(item, "id")?);
                    let part = self.get(&id).await?.ok_or("a part of a finished job is missing")?;
                    deflated.extend_from_slice(bytes(part.get("ended").ok_or("a part of a finished job has no content")?)?);
                }
                io::read_to_string(DeflateDecoder::new(deflated.as_slice()))?
            }
        };
        let mut resource: SummaryResource = parse(&resource)?;
        resource.attempts.extend(attempts(item)?);
        let key = item.get("key").and_then(|value| value.as_s().ok()).cloned();
        Ok(Job {
            tenant: text(item, "tenant")?.to_owned().try_into()?,
            key: key.map(TryInto::try_into).transpose()?,
            resource,
        })
    }

    /// Notes attempts at a job behind so many earlier ones. Returns whether that was possible: it is not
    /// if the job has finished, or has another number of attempts.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn begin_alone(&self, id: &JobId, earlier: usize, attempts: &[Attempt]) -> Result<bool, StoreError> {
        const OPERATION: &str = "note that a job is worked on alone";
        let attempts = written(attempts).map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let update = self
            .update(id)
            .update_expression("SET attempts = list_append(attempts, :attempts)")
            .condition_expression("size(attempts) = :earlier")
            .expression_attribute_values(":attempts", AttributeValue::L(attempts))
            .expression_attribute_values(":earlier", AttributeValue::N(earlier.to_string()));
        Ok(updated(update, OPERATION).await?.is_some())
    }

    /// Notes one attempt at each of these jobs, behind as many earlier ones as the numbers say. An
    /// attempt that was noted there before is replaced. If the number is `None`, the attempt is added
    /// at the end. Finished jobs are not changed.
    ///
    /// # Errors
    /// If DynamoDB does not answer or refuses one of the attempts.
    pub async fn note(&self, attempts: &[(&JobId, Option<usize>, &Attempt)]) -> Result<(), StoreError> {
        try_join_all(attempts.iter().map(|(id, earlier, attempt)| self.note_one(id, *earlier, attempt)))
            .await
            .map(drop)
    }

    async fn note_one(&self, id: &JobId, earlier: Option<usize>, attempt: &Attempt) -> Result<(), StoreError> {
        const OPERATION: &str = "note an attempt";
        let attempt = serde_json::to_string(attempt).map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let attempt = AttributeValue::S(attempt);
        let (change, value) = match earlier {
            Some(earlier) => (format!("SET attempts[{earlier}] = :attempt"), attempt),
            None => (
                "SET attempts = list_append(attempts, :attempt)".to_owned(),
                AttributeValue::L(vec![attempt]),
            ),
        };
        let update = self
            .update(id)
            .update_expression(change)
            .condition_expression("attribute_exists(attempts)")
            .expression_attribute_values(":attempt", value);
        updated(update, OPERATION).await.map(drop)
    }

    /// Whether the message of an unfinished job may be sent to its lane once more after it was received
    /// too often. It is counted here, and allowed three times.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn may_replay(&self, id: &JobId) -> Result<bool, StoreError> {
        let update = self
            .update(id)
            .update_expression(format!("ADD replays :one {FORGET_CHECKS}"))
            .condition_expression("attribute_exists(attempts) AND (attribute_not_exists(replays) OR replays < :most)")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":most", AttributeValue::N(MOST_REPLAYS.to_string()));
        Ok(updated(update, "count a replay").await?.is_some())
    }

    /// Keeps finished jobs that the archive has entered. If a job finishes twice, the ledger keeps
    /// the later final result. This does no harm, because the archive keeps the first one and is
    /// read before the ledger.
    ///
    /// # Errors
    /// If DynamoDB does not answer or does not process all of them.
    pub async fn finish(&self, jobs: &[&Job]) -> Result<(), StoreError> {
        const OPERATION: &str = "keep finished jobs";
        let keep = async {
            let (mut firsts, mut others) = (Vec::new(), Vec::new());
            // A batch of messages may contain a job twice, but a request to DynamoDB must not
            // contain an item twice.
            let mut known = HashSet::new();
            for job in jobs.iter().filter(|job| known.insert(&job.resource.id)) {
                let mut parts = finished(job)?.into_iter();
                firsts.extend(parts.next());
                others.extend(parts);
            }
            // The first part is written last. A reader that finds it therefore finds all the
            // others.
            if !others.is_empty() {
                self.put(others).await?;
                kill::at(Step::PartsKept);
            }
            self.put(firsts).await
        };
        keep.await.map_err(StoreError::because(Store::Ledger, OPERATION))
    }

    async fn put(&self, items: Vec<Item>) -> Result<(), BoxError> {
        let unwritten = self.put_all(items).await?;
        if unwritten.is_empty() { Ok(()) } else { Err(UNPROCESSED.into()) }
    }

    /// Writes items, and returns those that DynamoDB has not processed.
    async fn put_all(&self, items: Vec<Item>) -> Result<Vec<Item>, BoxError> {
        let mut unwritten = Vec::new();
        let mut requests = items.into_iter().map(|item| {
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            Ok::<_, BoxError>(WriteRequest::builder().put_request(put).build())
        });
        loop {
            let mut left = requests.by_ref().take(BATCH).collect::<Result<Vec<_>, _>>()?;
            if left.is_empty() {
                return Ok(unwritten);
            }
            for pause in 0..ATTEMPTS {
                if left.is_empty() {
                    break;
                }
                if pause > 0 {
                    // AWS advises to wait before unprocessed items are sent again.
                    tokio::time::sleep(std::time::Duration::from_millis(25 << pause)).await;
                }
                // The first round has nothing that could be lost.
                let sent = (pause > 0).then(|| left.clone());
                let reply = self.client.batch_write_item().request_items(&self.table, left).send().await;
                let reply = match (reply, sent) {
                    (Ok(reply), _) => reply,
                    // What earlier rounds have written stays written.
                    (Err(error), Some(sent)) => {
                        tracing::warn!(error = %Chain(&error), "Items that DynamoDB had not processed were not written.");
                        left = sent;
                        break;
                    }
                    (Err(error), None) => return Err(error.into()),
                };
                left = reply
                    .unprocessed_items
                    .and_then(|mut tables| tables.remove(&self.table))
                    .unwrap_or_default();
            }
            unwritten.extend(left.into_iter().filter_map(|request| Some(request.put_request?.item)));
        }
    }

    /// One page of the jobs that finished at `moment` or later, from the item behind `after` on. It is one
    /// megabyte of the table, so that it may have no such job.
    ///
    /// # Errors
    /// If DynamoDB does not answer.
    pub async fn finished_since(&self, moment: OffsetDateTime, after: Option<&str>) -> Result<FinishedJobs, StoreError> {
        const OPERATION: &str = "read the finished jobs";
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("ended_at >= :moment")
            .expression_attribute_values(":moment", AttributeValue::N(moment.unix_timestamp().to_string()))
            .set_exclusive_start_key(after.map(|id| item([("id", AttributeValue::S(id.to_owned()))])));
        let page = scan.send().await.map_err(StoreError::because(Store::Ledger, OPERATION))?;
        let items = page.items.unwrap_or_default();
        let mut found = FinishedJobs {
            jobs: Vec::new(),
            damaged: Vec::new(),
            next: page
                .last_evaluated_key
                .as_ref()
                .and_then(|key| text(key, "id").ok())
                .map(str::to_owned),
        };
        for (item, read) in items.iter().zip(join_all(items.iter().map(|item| self.read(item))).await) {
            match read {
                Ok(job) if is_expired(&job.resource) => {}
                Ok(job) => found.jobs.push(job),
                Err(error) if error.is::<SdkError<GetItemError>>() => return Err(StoreError::new(Store::Ledger, OPERATION, error)),
                // A region that was lost can have left a job with only some of its parts.
                Err(error) => {
                    let id = text(item, "id").unwrap_or_default().to_owned();
                    tracing::error!(job = id, error = %Chain(&*error), "A finished job in the ledger cannot be read. It is left out.");
                    found.damaged.push(id);
                }
            }
        }
        Ok(found)
    }

    /// Checks that DynamoDB answers for this table.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let key = AttributeValue::S("ping".to_owned());
        let reply = self.client.get_item().table_name(&self.table).key("id", key).send().await;
        reply.map(drop).map_err(StoreError::because(Store::Ledger, "reach the table"))
    }
}

/// Accepted jobs that are recorded together. Their ids are new, so that a call has no item twice.
///
/// A batch has no conditions. If DynamoDB carries out a call that the SDK has given up long after the one
/// that it has repeated, a finished job is unfinished again in the ledger. The sweep of lost messages
/// finds its end in the archive, and reads do so before.
struct Accepting(Ledger);

impl Sink for Accepting {
    type Entry = Item;
    const ENTRIES: usize = BATCH;
    /// DynamoDB takes 16 MB.
    const BYTES: usize = 8 * 1024 * 1024;
    const STORE: Store = Store::Ledger;

    fn bytes(item: &Item) -> usize {
        item.values().map(size).sum()
    }

    async fn write(&self, items: Vec<Item>) -> Vec<Result<(), StoreError>> {
        const OPERATION: &str = "record an accepted job";
        let ids: Vec<Option<AttributeValue>> = items.iter().map(|item| item.get("id").cloned()).collect();
        let failed = |cause: String| Err(StoreError::new(Store::Ledger, OPERATION, cause));
        match self.0.put_all(items).await {
            Ok(unwritten) => {
                let is_unwritten = |id: &Option<AttributeValue>| unwritten.iter().any(|item| item.get("id") == id.as_ref());
                let outcome = |id| if is_unwritten(id) { failed(UNPROCESSED.to_owned()) } else { Ok(()) };
                ids.iter().map(outcome).collect()
            }
            Err(error) => {
                let cause = Chain(&*error).to_string();
                ids.iter().map(|_| failed(cause.clone())).collect()
            }
        }
    }
}

/// About how many bytes a value has.
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        _ => 3,
    }
}

/// DynamoDB deletes an item some time after it has expired.
fn is_expired(resource: &SummaryResource) -> bool {
    resource
        .expires_at()
        .is_some_and(|expires_at| expires_at <= OffsetDateTime::now_utc())
}

fn accepted(job: &Job) -> Result<Item, BoxError> {
    let mut resource = job.resource.clone();
    let attempts = written(&std::mem::take(&mut resource.attempts))?;
    let mut accepted = item([
        ("id", AttributeValue::S(resource.id.to_string())),
        ("tenant", AttributeValue::S(job.tenant.to_string())),
        ("resource", AttributeValue::S(serde_json::to_string(&resource)?)),
        ("attempts", AttributeValue::L(attempts)),
        ("expires_at", seconds(OffsetDateTime::now_utc() + KEPT)),
        ("unfinished_of", AttributeValue::S(job.tenant.to_string())),
        ("submission", AttributeValue::S(resource.id.submission())),
    ]);
    accepted.extend(key_of(job));
    Ok(accepted)
}

fn key_of(job: &Job) -> Option<(String, AttributeValue)> {
    let key = job.key.as_ref()?;
    Some(("key".to_owned(), AttributeValue::S(key.to_string())))
}

/// Attempts as the table keeps them.
fn written(attempts: &[Attempt]) -> Result<Vec<AttributeValue>, serde_json::Error> {
    let json = attempts.iter().map(serde_json::to_string);
    json.map(|attempt| attempt.map(AttributeValue::S)).collect()
}

fn attempts(item: &Item) -> Result<Vec<Attempt>, BoxError> {
    let attempts = item.get("attempts").and_then(|value| value.as_l().ok()).into_iter().flatten();
    attempts
        .map(|attempt| parse(attempt.as_s().map_err(|_| "an attempt is not a string")?))
        .collect()
}

/// The items that hold a finished job.
fn finished(job: &Job) -> Result<Vec<Item>, BoxError> {
    let (id, finished_at) = (&job.resource.id, job.resource.finished_at().ok_or("the job has not finished")?);
    let expires_at = finished_at + FINISHED_KEPT;
    let expires_at = job.resource.expires_at().map_or(expires_at, |moment| moment.min(expires_at));
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(&serde_json::to_vec(&job.resource)?)?;
    let deflated = deflated.finish()?;
    let parts = deflated.chunks(PART).enumerate().map(|(number, part)| {
        let id = if number == 0 { id.to_string() } else { format!("{id}#{number}") };
        item([
            ("id", AttributeValue::S(id)),
            ("ended", AttributeValue::B(Blob::new(part))),
            ("expires_at", seconds(expires_at)),
        ])
    });
    let mut parts: Vec<Item> = parts.collect();
    let more = parts.len() - 1;
    parts[0].extend(item([
        ("tenant", AttributeValue::S(job.tenant.to_string())),
        ("ended_at", seconds(finished_at)),
        ("more", AttributeValue::N(more.to_string())),
    ]));
    parts[0].extend(key_of(job));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::job::{Lane, RegionTag, Submission, SummaryResult};

    fn size(item: &Item) -> usize {
        item.iter().map(|(name, of)| name.len() + super::size(of)).sum()
    }

    /// A finished job with the summary of `text`. If the length is a ratio, the result has the
    /// scores of all sentences.
    fn summarised(text: &str, length: &str) -> Job {
        let submission = format!(r#"{{"text":"One.","length":{length}}}"#);
        let (_, request) = Submission::parse(submission.as_bytes()).unwrap();
        let options = crate::summarizer::Options {
            budget: request.length.budget(),
            scores: length.contains("ratio"),
            ..Default::default()
        };
        let result = SummaryResult {
            summary: crate::summarizer::summarize(text, &options).unwrap(),
            method: request.method,
            degraded: false,
        };
        let id = JobId::new(RegionTag::from_region("us-east-1"), uuid::Uuid::now_v7());
        let now = OffsetDateTime::now_utc();
        let mut resource = SummaryResource::queued(id, Lane::Standard, "us-east-1".to_owned(), now, request);
        resource.start(now).unwrap();
        resource.succeed(now, result).unwrap();
        Job {
            tenant: "acme".to_owned().try_into().unwrap(),
            key: Some("key_0123456789abcdef0123".to_owned().try_into().unwrap()),
            resource,
        }
    }

    #[test]
    fn a_usual_job_costs_two_write_units() {
        let article = include_str!("../../../infra/local/demo/article.txt");
        let job = summarised(article, r#"{"sentences":3}"#);
        let of = job.resource.clone();
        let queued = SummaryResource::queued(of.id, of.lane, of.region, of.created_at, of.request);
        let first = accepted(&Job {
            tenant: job.tenant.clone(),
            key: job.key.clone(),
            resource: queued,
        });
        let (first, last) = (first.unwrap(), finished(&job).unwrap());
        assert_eq!(last.len(), 1);
        assert!(
            size(&first) <= 1024 && size(&last[0]) <= 1024,
            "the sizes are {} and {} bytes",
            size(&first),
            size(&last[0])
        );
    }

    #[test]
    fn the_items_of_a_large_finished_job_are_within_the_limit() {
        let mut state = 1_u64;
        let mut text = String::new();
        for _ in 0..40_000 {
            for word in ["It says ", ", then ", " and "] {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                write!(text, "{word}{state:x}").unwrap();
            }
            text.push_str(".\n");
        }
        let parts = finished(&summarised(&text, r#"{"ratio":1.0}"#)).unwrap();
        let sizes: Vec<usize> = parts.iter().map(size).collect();
        assert!(sizes.len() > 1 && sizes.iter().all(|size| *size < 400_000), "{sizes:?}");
    }
}
