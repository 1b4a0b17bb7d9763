//! A tenant whose jobs no other test touches: its ledger, its lane and its dead-letter queue are its
//! own, and its functions run in the emulator. A test takes the place of the event source mapping: it
//! receives the messages of the lane, gives them to a worker, and deletes those that the worker names as
//! done.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use local::{
    cloud::{addresses, emulator::Emulator, tenant::ADMIN_KEY},
    load::system,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use shared::{
    archive::{Archive, Archived},
    cache::Cache,
    job::{Attempt, FailureCode, JobError, JobId, Plan, Span, Status, TenantId},
    ledger::Ledger,
};
use sqlx::postgres::PgConnectOptions;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::cloud::{PATIENCE, REGIONS, Region, cloud, prose, region, valkey};

/// After how many seconds a dead letter comes back that a killed `redrive` has received.
const LETTERS_COME_BACK: &str = "5";
/// After how many seconds a message of a lane comes back by itself. No test waits for it: a test that has
/// seen its worker end makes the messages visible again.
const MESSAGES_COME_BACK: &str = "600";

/// The tenant, its stores, and healthy functions.
pub(crate) struct Stage {
    pub(crate) tenant: TenantId,
    pub(crate) ledger: Ledger,
    pub(crate) cache: Cache,
    pub(crate) archive: Archive,
    pub(crate) region: Region,
    pub(crate) api: Emulator,
    pub(crate) worker: Emulator,
    pub(crate) redrive: Emulator,
    pub(crate) maintain: Emulator,
    pub(crate) table: String,
    key: SecretString,
    lane: String,
    letters: String,
    env: Vec<(&'static str, String)>,
}

/// How a job must have ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) id: JobId,
    /// As what it was counted.
    pub(crate) status: Status,
    /// Whether nothing of it may be left but that it was there.
    pub(crate) is_erased: bool,
    /// Whether its message is kept as a dead letter.
    pub(crate) is_parked: bool,
}

impl End {
    pub(crate) fn of(id: JobId, status: Status) -> Self {
        Self {
            id,
            status,
            is_erased: false,
            is_parked: false,
        }
    }

    pub(crate) fn erased(self) -> Self {
        Self { is_erased: true, ..self }
    }

    pub(crate) fn parked(self) -> Self {
        Self { is_parked: true, ..self }
    }
}

impl Stage {
    pub(crate) async fn new(name: &str) -> Self {
        Self::with(name, Vec::new()).await
    }

    /// All functions have these environment variables too.
    pub(crate) async fn with(name: &str, mut env: Vec<(&'static str, String)>) -> Self {
        let region = region().await;
        let key = region.other_tenant(name, Plan::Enterprise).await;
        let table = name.to_owned();
        system::make_ledger(&region.sdk, &table).await.unwrap();
        let lane = queue(&region, &format!("{name}-lane"), MESSAGES_COME_BACK).await;
        let letters = queue(&region, &format!("{name}-letters"), LETTERS_COME_BACK).await;
        env.extend([("LEDGER_TABLE", table.clone()), ("LANE_URL", lane.clone())]);
        env.extend(["EXPRESS_URL", "STANDARD_URL", "BULK_URL"].map(|name| (name, lane.clone())));
        env.push(("STANDARD_DEAD_LETTERS_URL", letters.clone()));
        // All dead letters are in the queue above.
        let empty = queue(&region, &format!("{name}-empty"), LETTERS_COME_BACK).await;
        env.extend(["EXPRESS_DEAD_LETTERS_URL", "BULK_DEAD_LETTERS_URL"].map(|name| (name, empty.clone())));
        let start = async |function: &str| function_of(&env, function, &[]).await;
        let options = PgConnectOptions::from_str(&region.database).unwrap();
        Self {
            tenant: name.to_owned().try_into().unwrap(),
            ledger: Ledger::new(&region.sdk, table.clone()),
            cache: Cache::connect(&addresses::valkey_url(&cloud().await.instance, REGIONS[0]), None).unwrap(),
            archive: Archive::connect(options, None),
            api: start("api").await,
            worker: start("summarize").await,
            redrive: start("redrive").await,
            maintain: start("maintain").await,
            region,
            table,
            key,
            lane,
            letters,
            env,
        }
    }

    /// A function with the stores of this tenant, and some other environment variables.
    pub(crate) async fn function(&self, function: &str, changed: &[(&str, &str)]) -> Emulator {
        function_of(&self.env, function, changed).await
    }

    fn event(&self, event: &str) -> Value {
        let mut event: Value = serde_json::from_str(event).unwrap();
        event["headers"]["x-api-key"] = self.key.expose_secret().into();
        event
    }

    /// The event of a submission, which may be repeated if it has an idempotency key.
    pub(crate) fn submission(&self, body: &Value, key: Option<&str>, waits: bool) -> Value {
        let mut event = self.event(include_str!("../../../../events/api/submit.json"));
        event["body"] = body.to_string().into();
        if waits {
            event["headers"]["prefer"] = "wait=1".into();
        }
        if let Some(key) = key {
            event["headers"]["idempotency-key"] = key.into();
        }
        event
    }

    /// Submits a text, and returns the id of its job. If the client would wait, the summary is made
    /// inside the request.
    pub(crate) async fn submit(&self, body: &Value, waits: bool) -> JobId {
        let event = self.submission(body, None, waits);
        let reply = self.api.invoke(&event).await.unwrap();
        let expected = if waits { 200 } else { 202 };
        assert_eq!(reply["statusCode"], expected, "{reply}");
        let resource: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
        resource["id"].as_str().unwrap().parse().unwrap()
    }

    /// The event of `DELETE /v1/summaries/{id}`.
    pub(crate) fn removal(&self, id: &JobId) -> Value {
        self.request("DELETE", &format!("/v1/summaries/{id}"))
    }

    /// The event of a request of an operator.
    pub(crate) fn act(&self, method: &str, path: &str) -> Value {
        let mut event = self.request(method, path);
        event["headers"]["x-api-key"] = ADMIN_KEY.into();
        event
    }

    fn request(&self, method: &str, path: &str) -> Value {
        let mut event = self.event(include_str!("../../../../events/api/read-unknown.json"));
        event["rawPath"] = path.into();
        event["requestContext"]["http"]["path"] = path.into();
        event["requestContext"]["http"]["method"] = method.into();
        event
    }

    /// Cancels a job, or erases it, and returns the status of the answer.
    pub(crate) async fn remove(&self, id: &JobId) -> Value {
        let reply = self.api.invoke(&self.removal(id)).await.unwrap();
        reply["statusCode"].clone()
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.region.sdk)
    }

    /// Receives exactly so many messages of the lane.
    async fn receive(&self, count: usize) -> Vec<Message> {
        let (mut messages, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        while messages.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} messages", messages.len());
            let request = self.sqs().receive_message().queue_url(&self.lane);
            let most = i32::try_from((count - messages.len()).min(10)).unwrap();
            let request = request.max_number_of_messages(most).wait_time_seconds(1);
            let request = request.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
            messages.extend(request.send().await.unwrap().messages.unwrap_or_default());
        }
        messages
    }

    /// Takes so many messages out of the lane, and returns their bodies.
    pub(crate) async fn take(&self, count: usize) -> Vec<String> {
        let messages = self.receive(count).await;
        for message in &messages {
            self.delete(message).await;
        }
        messages.into_iter().map(|message| message.body.unwrap()).collect()
    }

    async fn delete(&self, message: &Message) {
        let request = self.sqs().delete_message().queue_url(&self.lane);
        let request = request.set_receipt_handle(message.receipt_handle.clone());
        request.send().await.unwrap();
    }

    async fn send_to(&self, queue: &str, body: &str) {
        let request = self.sqs().send_message().queue_url(queue).message_body(body);
        request.message_group_id(self.tenant.as_str()).send().await.unwrap();
    }

    /// Sends a message to the lane.
    pub(crate) async fn send(&self, body: &str) {
        self.send_to(&self.lane, body).await;
    }

    /// Puts a message into the dead-letter queue.
    pub(crate) async fn bury(&self, body: &str) {
        self.send_to(&self.letters, body).await;
    }

    /// Submits a text whose message was received so often with this failure that it becomes a dead letter.
    /// Returns its job and its message, which is in no queue.
    pub(crate) async fn dead(&self, name: &str, code: FailureCode) -> (JobId, String) {
        let body = json!({"text": prose(name, 1_000), "length": {"sentences": 1}});
        let id = self.submit(&body, false).await;
        let attempt = Attempt::unreported(20, OffsetDateTime::now_utc(), JobError::new(code, "No."));
        self.ledger.note(&[(&id, Some(0), &attempt)]).await.unwrap();
        let body = self.take(1).await.remove(0);
        (id, body)
    }

    /// Gives so many messages of the lane to a worker. What a killed worker has received comes back, and
    /// so does what a worker returns. Returns whether the worker was killed.
    pub(crate) async fn deliver(&self, worker: &Emulator, count: usize) -> bool {
        let messages = self.receive(count).await;
        let records: Vec<Value> = messages.iter().map(record).collect();
        let reply = worker.invoke(&json!({"Records": records})).await.unwrap();
        let is_killed = is_killed(&reply);
        let failures: BTreeSet<&str> = reply["batchItemFailures"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|failure| failure["itemIdentifier"].as_str())
            .collect();
        assert!(is_killed || reply["batchItemFailures"].is_array(), "{reply}");
        for message in &messages {
            if is_killed || failures.contains(message.message_id().unwrap()) {
                // The time is over after which it comes back.
                let request = self.sqs().change_message_visibility().queue_url(&self.lane);
                let request = request.set_receipt_handle(message.receipt_handle.clone()).visibility_timeout(0);
                request.send().await.unwrap();
            } else {
                self.delete(message).await;
            }
        }
        is_killed
    }

    /// How many messages of a queue wait or are in work. Those that are delayed do not count.
    async fn depth(&self, queue: &str) -> usize {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.sqs().get_queue_attributes().queue_url(queue);
        let found = request
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap();
        names.iter().map(|name| found[name].parse::<usize>().unwrap()).sum()
    }

    /// How many messages wait in the lane or are in work.
    pub(crate) async fn waiting(&self) -> usize {
        self.depth(&self.lane).await
    }

    /// Gives all messages of the lane to the healthy worker until none is left.
    pub(crate) async fn drain(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let waiting = self.waiting().await;
            if waiting == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{waiting} messages are left");
            assert!(!self.deliver(&self.worker, waiting.min(10)).await);
        }
    }

    /// Runs the healthy `redrive` until no dead letter is left.
    pub(crate) async fn empty_letters(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.depth(&self.letters).await > 0 {
            assert!(Instant::now() < deadline, "dead letters are left");
            let reply = self.redrive.invoke(&json!({})).await.unwrap();
            assert!(reply["standard"].is_object(), "{reply}");
        }
    }

    /// Makes two days pass for all unfinished jobs: their attempts and their checks are as old.
    pub(crate) async fn let_days_pass(&self) {
        let client = aws_sdk_dynamodb::Client::new(&self.region.sdk);
        let (unfinished, _) = self.ledger.unfinished(&self.tenant, Span::ALL, 1_000).await.unwrap();
        for job in unfinished {
            let past = |attempt: &Attempt| {
                let mut attempt = attempt.clone();
                attempt.at -= time::Duration::days(2);
                AttributeValue::S(serde_json::to_string(&attempt).unwrap())
            };
            let attempts = job.attempts.iter().map(past).collect();
            let update = client.update_item().table_name(&self.table);
            let update = update.key("id", AttributeValue::S(job.id.to_string()));
            // The job may finish at this moment.
            let _ = update
                .update_expression("SET attempts = :attempts REMOVE check_sent_at, checked_at")
                .condition_expression("attribute_exists(attempts)")
                .expression_attribute_values(":attempts", AttributeValue::L(attempts))
                .send()
                .await;
        }
    }

    /// Deletes the text of a job.
    pub(crate) async fn lose_document(&self, id: &JobId) {
        let s3 = aws_sdk_s3::Client::new(&self.region.sdk);
        let request = s3.delete_object().bucket(&self.region.outputs["DocumentsBucket"]);
        request.key(format!("documents/{}/{id}", self.tenant)).send().await.unwrap();
    }

    /// The keys in the documents bucket under a prefix.
    async fn stored(&self, prefix: &str) -> BTreeSet<String> {
        let s3 = aws_sdk_s3::Client::new(&self.region.sdk);
        let request = s3.list_objects_v2().bucket(&self.region.outputs["DocumentsBucket"]).prefix(prefix);
        let found = request.send().await.unwrap();
        found
            .contents()
            .iter()
            .filter_map(|object| object.key().map(str::to_owned))
            .collect()
    }

    /// Checks that each job has ended exactly once and as expected, and that every store says so.
    pub(crate) async fn audit(&self, jobs: &[End]) {
        let name = &self.tenant;
        self.drain().await;
        for job in jobs {
            self.audit_job(job).await;
        }
        let mut database = self.region.database().await;
        let rows = "SELECT count(*) FROM summaries WHERE tenant = $1";
        let rows: i64 = sqlx::query_scalar(rows).bind(name.as_str()).fetch_one(&mut database).await.unwrap();
        assert_eq!(usize::try_from(rows).unwrap(), jobs.len(), "{name}: rows of the archive");

        let sums = "SELECT sum(accepted)::bigint, sum(succeeded)::bigint, sum(failed)::bigint, sum(canceled)::bigint FROM usage_by_key WHERE tenant = $1";
        let counted: (i64, i64, i64, i64) = sqlx::query_as(sums).bind(name.as_str()).fetch_one(&mut database).await.unwrap();
        let of = |status: Status| i64::try_from(jobs.iter().filter(|job| job.status == status).count()).unwrap();
        let all = i64::try_from(jobs.len()).unwrap();
        let expected = (all, of(Status::Succeeded), of(Status::Failed), of(Status::Canceled));
        assert_eq!(counted, expected, "{name}: the usage");

        let (unfinished, _) = self.ledger.unfinished(name, Span::ALL, 100).await.unwrap();
        assert!(unfinished.is_empty(), "{name}: {unfinished:?}");
        let known: BTreeSet<String> = jobs.iter().map(|job| job.id.to_string()).collect();
        for id in self.ledger_items().await.keys() {
            let id = id.split_once('#').map_or(id.as_str(), |(id, _)| id);
            assert!(known.contains(id), "{name}: the ledger has the unknown job {id}");
        }
        let unrecorded: usize = redis::cmd("ZCARD")
            .arg(format!("{{{name}}}:unrecorded"))
            .query_async(&mut valkey().await)
            .await
            .unwrap();
        assert_eq!(unrecorded, 0, "{name}: jobs that are listed as not recorded");

        assert_eq!(self.depth(&self.letters).await, 0, "{name}: dead letters are left");
        let letters = "SELECT job_id, body_key FROM dead_letters WHERE tenant = $1";
        let letters: Vec<(uuid::Uuid, String)> = sqlx::query_as(letters).bind(name.as_str()).fetch_all(&mut database).await.unwrap();
        let parked: BTreeSet<uuid::Uuid> = letters.iter().map(|(job, _)| *job).collect();
        let expected = jobs.iter().filter(|job| job.is_parked).map(|job| job.id.uuid()).collect();
        assert_eq!(parked, expected, "{name}: the dead letters");
        assert_eq!(
            self.orphans().await,
            BTreeSet::new(),
            "{name}: bodies of dead letters that nobody can erase"
        );
    }

    async fn audit_job(&self, end: &End) {
        let (id, name) = (&end.id, &self.tenant);
        let archived = self.archive.find(name, id).await.unwrap();
        let kept = self.ledger.find(id).await.unwrap();
        let cached = self.cache.find(name, id).await.unwrap();
        if end.is_erased {
            assert_eq!(archived, Archived::Erased, "{name} {id}");
            assert_eq!((kept, cached), (None, None), "{name} {id}");
            let prefix = format!("documents/{name}/{id}");
            assert_eq!(self.stored(&prefix).await, BTreeSet::new(), "{name} {id}");
            return;
        }
        let Archived::Finished(archived) = archived else {
            panic!("{name} {id}: {archived:?}, but the ledger has {kept:?}");
        };
        assert_eq!(archived.resource.status(), end.status, "{name} {id}: {archived:?}");
        assert_eq!(kept.as_ref(), Some(&*archived), "{name} {id}: the ledger");
        // An unfinished job in the cache is not believed: after some seconds a read asks the ledger.
        let ended = cached.filter(|cached| cached.status().is_final());
        assert!(ended.is_none_or(|ended| ended == archived.resource), "{name} {id}: the cache");
    }

    /// The items of the ledger by their ids, but without the idempotency keys.
    pub(crate) async fn ledger_items(&self) -> BTreeMap<String, String> {
        let client = aws_sdk_dynamodb::Client::new(&self.region.sdk);
        let mut items = client.scan().table_name(&self.table).into_paginator().items().send();
        let mut found = BTreeMap::new();
        while let Some(item) = items.next().await {
            let mut item: Vec<(String, AttributeValue)> = item.unwrap().into_iter().collect();
            item.sort_by(|(one, _), (other, _)| one.cmp(other));
            let id = item.iter().find(|(name, _)| name == "id").unwrap().1.as_s().unwrap().clone();
            found.insert(id, format!("{item:?}"));
        }
        found
    }

    /// The bodies of dead letters of this tenant that the documents bucket has although the archive
    /// names none of them.
    async fn orphans(&self) -> BTreeSet<String> {
        let names = "SELECT body_key FROM dead_letters";
        let names: Vec<String> = sqlx::query_scalar(names)
            .fetch_all(&mut self.region.database().await)
            .await
            .unwrap();
        let mut orphans = BTreeSet::new();
        let s3 = aws_sdk_s3::Client::new(&self.region.sdk);
        for key in self.stored("dead-letters/").await.into_iter().filter(|key| !names.contains(key)) {
            let request = s3.get_object().bucket(&self.region.outputs["DocumentsBucket"]).key(&key);
            // Another test may have deleted it meanwhile.
            let Ok(object) = request.send().await else { continue };
            let body = object.body.collect().await.unwrap().to_vec();
            if String::from_utf8(body).unwrap().contains(&format!("\"{}\"", self.tenant)) {
                orphans.insert(key);
            }
        }
        orphans
    }
}

/// Whether the process of a function ended in place of an answer.
pub(crate) fn is_killed(reply: &Value) -> bool {
    reply["errorType"] == "Runtime.ExitError"
}

/// A message as the event source mapping gives it to a function.
pub(crate) fn record(message: &Message) -> Value {
    let receives = &message.attributes.as_ref().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    json!({
        "messageId": message.message_id, "receiptHandle": message.receipt_handle, "body": message.body,
        "attributes": {"ApproximateReceiveCount": receives},
    })
}

async fn function_of(env: &[(&'static str, String)], function: &str, changed: &[(&str, &str)]) -> Emulator {
    let own = env.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<(&str, &str)> = own.chain(changed.iter().copied()).collect();
    cloud().await.emulator(function, &all)
}

async fn queue(region: &Region, name: &str, comes_back: &str) -> String {
    let request = aws_sdk_sqs::Client::new(&region.sdk).create_queue().queue_name(name);
    let request = request.attributes(QueueAttributeName::VisibilityTimeout, comes_back);
    request.send().await.unwrap().queue_url.unwrap()
}
