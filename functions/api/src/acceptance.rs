//! Accepts a job: records it in the ledger, and sends it to its lane.

use std::time::Duration;

use shared::{
    job::{Document, Ended, Job, Message, RecordMessage, RequestOptions, SummarizeMessage, SummaryResource},
    kill::{self, Step},
    ledger::{Earlier, Repeatable},
    store::{Chain, Store, StoreError, in_time},
    telemetry::metric,
};

use crate::{context::Context, inline};

/// How long the ledger is waited for after it has failed to record a job.
const WITHDRAWAL: Duration = Duration::from_secs(1);

/// A job that is to be accepted.
pub(crate) struct Acceptance {
    pub(crate) job: Job,
    pub(crate) text: String,
    pub(crate) options: RequestOptions,
    pub(crate) fingerprint: String,
    pub(crate) repeatable: Option<Repeatable>,
    /// The id of the trace that the submission belongs to.
    pub(crate) trace: Option<String>,
}

/// What a submission has led to.
pub(crate) enum Accepted {
    /// A new job.
    New(Box<SummaryResource>),
    /// The job of an earlier submission with the same idempotency key. This submission is kept, so
    /// that it can finish what the earlier one has begun.
    Earlier(Earlier, Box<Acceptance>),
}

impl Acceptance {
    /// Records the job in the ledger, then sends it to its lane. When this function has returned a
    /// new job, it is stored and will be worked on, even if this process stops at once.
    pub(crate) async fn queue(self, context: &Context) -> Result<Accepted, StoreError> {
        if let Some(earlier) = self.record(context).await? {
            return Ok(Accepted::Earlier(earlier, Box::new(self)));
        }
        self.send(context).await
    }

    /// Makes the summary inside the request. With an idempotency key, the job is recorded before, so
    /// that of two submissions at the same time only one makes a summary.
    pub(crate) async fn finish_at_once(mut self, context: &Context) -> Result<Accepted, StoreError> {
        if self.repeatable.is_some()
            && let Some(earlier) = self.record(context).await?
        {
            self.end_claim(context).await;
            return Ok(Accepted::Earlier(earlier, Box::new(self)));
        }
        let is_finished = inline::finish(&mut self.job.resource, self.text.clone(), self.options.clone()).await;
        kill::at(Step::Made);
        let is_recorded = self.repeatable.is_some();
        if !is_recorded {
            self.record(context).await?;
            kill::at(Step::Kept);
        }
        if !is_finished {
            return self.send(context).await;
        }
        let message = Message::Record(Box::new(RecordMessage {
            tenant: self.job.tenant.clone(),
            key: self.job.key.clone(),
            resource: self.job.resource.clone(),
            fingerprint: self.job.resource.result().is_some().then(|| self.fingerprint.clone()),
            claim: Some(self.fingerprint.clone()),
            trace: self.trace.clone(),
        }));
        self.deliver(context, message).await?;
        if is_recorded {
            self.keep(context).await;
            kill::at(Step::Kept);
        }
        Ok(Accepted::New(Box::new(self.job.resource)))
    }

    /// Keeps the result of a job that was recorded as queued. Its message must have been sent
    /// before: the repetition of a submission sends no message for a job that has finished, so that
    /// a process that stops between the two would keep the job out of the archive. The job is
    /// accepted, so that an error must not look like a refusal. The worker keeps the result too.
    async fn keep(&self, context: &Context) {
        if let Err(error) = context.ledger.finish(&[&self.job]).await {
            tracing::warn!(job = %self.job.resource.id, error = %Chain(&error), "The result of a job was not kept in the ledger. It is shown as queued until a worker has recorded it.");
        }
    }

    /// Makes the summary inside the request, and lets a worker count it. Nothing of it is kept.
    pub(crate) async fn finish_unkept(mut self, context: &Context) -> Result<Accepted, StoreError> {
        let is_finished = inline::finish(&mut self.job.resource, self.text.clone(), self.options.clone()).await;
        let Some(ended) = Ended::of(&self.job).filter(|_| is_finished) else {
            let reason = "the engine was not ready in time";
            return Err(StoreError::new(Store::Lanes, "summarise a text inside a request", reason));
        };
        let lane = self.job.resource.lane;
        let sent = context.lanes[lane].send(&self.job.tenant, Message::Count(ended).to_body()).await;
        if let Err(error) = sent
            && self.forget(context).await
        {
            return Err(error);
        }
        self.account();
        Ok(Accepted::New(Box::new(self.job.resource)))
    }

    /// Sends the message of a job again whose earlier submission may have stopped before it sent it.
    /// That it was sent is noted after it was sent: a process that stops between the two costs one
    /// more message, and no job.
    pub(crate) async fn send_again(
        mut self: Box<Self>,
        context: &Context,
        earlier: &Earlier,
        resource: &SummaryResource,
    ) -> Result<(), StoreError> {
        let Some(repeatable) = self.repeatable.take() else { return Ok(()) };
        if earlier.was_sent_again_lately {
            return Ok(());
        }
        self.job.resource = resource.clone();
        self.job.key.clone_from(&earlier.key);
        tracing::info!(job = %resource.id, tenant = %self.job.tenant, "The message of a job is sent again, because its submission was repeated.");
        let mut message = self.message(context).await?;
        if let Message::Summarize(job) = &mut message {
            job.again = true;
        }
        context.ledger.forget_checks(&resource.id).await?;
        context.lanes[resource.lane].send(&self.job.tenant, message.to_body()).await?;
        kill::at(Step::SentAgain);
        if let Err(error) = context.ledger.sent_again(&repeatable).await {
            tracing::warn!(job = %resource.id, error = %Chain(&error), "That a message was sent again was not noted. The next repetition sends it once more.");
        }
        Ok(())
    }

    /// Records the job in the ledger. If an earlier submission had the same idempotency key, nothing
    /// is recorded, and the cache forgets this job.
    ///
    /// After an error it may be that only the answer of the ledger was lost. A job without an idempotency
    /// key is removed again, so that no list shows a job that its client was told does not exist.
    async fn record(&self, context: &Context) -> Result<Option<Earlier>, StoreError> {
        kill::at(Step::Admitted);
        let recorded = context.ledger.accept(&self.job, self.repeatable.as_ref()).await;
        match &recorded {
            Ok(None) => {}
            Ok(Some(_)) => drop(self.forget(context).await),
            // A repetition finds the job if it is recorded, and sends its message. So no mark may stay that
            // makes a worker drop this.
            Err(_) if self.repeatable.is_some() => {
                let (tenant, id) = (&self.job.tenant, &self.job.resource.id);
                if let Err(error) = context.cache.forget(&[(tenant, id)]).await {
                    tracing::warn!(error = %Chain(&error), "A job that may not be recorded could not be removed from the cache. It expires there.");
                }
            }
            Err(_) => {
                self.forget(context).await;
                let withdrawn = context.ledger.withdraw(&self.job.resource.id);
                if let Err(error) = in_time(Store::Ledger, "delete a job that may be recorded", WITHDRAWAL, withdrawn).await {
                    tracing::warn!(error = %Chain(&error), "A job that was not accepted may be in the ledger. It is shown as queued until it is found that it has no message.");
                }
            }
        }
        kill::at(Step::Recorded);
        recorded
    }

    async fn send(self, context: &Context) -> Result<Accepted, StoreError> {
        let message = match self.message(context).await {
            Ok(message) => message,
            Err(error) => {
                self.withdraw(context).await;
                return Err(error);
            }
        };
        self.deliver(context, message).await?;
        Ok(Accepted::New(Box::new(self.job.resource)))
    }

    /// The message that asks a worker for the summary. A text that is too large for it is stored.
    async fn message(&self, context: &Context) -> Result<Message, StoreError> {
        let resource = &self.job.resource;
        let bytes = self.text.len();
        let document = if Document::fits_message(&self.text) {
            Document::Inline(self.text.clone())
        } else {
            Document::Stored(context.documents.store(&self.job.tenant, &resource.id, self.text.clone()).await?)
        };
        kill::at(Step::Stored);
        let document_bytes = matches!(document, Document::Stored(_)).then_some(bytes);
        Ok(Message::Summarize(SummarizeMessage {
            job: resource.id.clone(),
            tenant: self.job.tenant.clone(),
            key: self.job.key.clone(),
            lane: resource.lane,
            deferred: resource.deferred,
            again: false,
            created_at: resource.created_at,
            options: self.options.clone(),
            document,
            document_bytes,
            fingerprint: self.fingerprint.clone(),
            trace: self.trace.clone(),
        }))
    }

    async fn deliver(&self, context: &Context, message: Message) -> Result<(), StoreError> {
        let lane = self.job.resource.lane;
        if let Err(error) = context.lanes[lane].send(&self.job.tenant, message.to_body()).await {
            if self.withdraw(context).await {
                return Err(error);
            }
            tracing::warn!(job = %self.job.resource.id, error = %Chain(&error), "The answer of a lane was lost, and a worker has the message. The job is accepted.");
        }
        kill::at(Step::Sent);
        self.account();
        Ok(())
    }

    /// Removes a job whose message could not be sent, and of which the client was not told yet. Returns
    /// `false`, and leaves the job, if a worker has the message: only the answer of the lane was lost.
    ///
    /// With an idempotency key, the job stays: another process may already have answered a repetition
    /// with it, and each repetition sends its message again.
    async fn withdraw(&self, context: &Context) -> bool {
        if self.repeatable.is_some() {
            self.end_claim(context).await;
            return true;
        }
        if !self.forget(context).await {
            return false;
        }
        if let Err(error) = context.ledger.withdraw(&self.job.resource.id).await {
            tracing::warn!(error = %Chain(&error), "A job could not be sent to its lane, and could not be removed from the ledger either. It expires there.");
        }
        true
    }

    /// Removes a job from the cache, where a mark of it stays. Returns `false`, and leaves the job, if a
    /// worker has begun it.
    async fn forget(&self, context: &Context) -> bool {
        let forgotten = context.cache.withdraw(&self.job.tenant, &self.job.resource.id).await;
        forgotten.unwrap_or_else(|error| {
            tracing::warn!(error = %Chain(&error), "A job that was not accepted could not be removed from the cache. It expires there.");
            true
        })
    }

    async fn end_claim(&self, context: &Context) {
        if let Err(error) = context.cache.end_claim(&self.job.tenant, &self.fingerprint).await {
            tracing::warn!(error = %Chain(&error), "The claim on a result could not be ended. It expires.");
        }
    }

    fn account(&self) {
        let resource = &self.job.resource;
        metrics::counter!(metric::ACCEPTED, "lane" => resource.lane.as_str()).increment(1);
        if resource.deferred {
            metrics::counter!(metric::DEFERRED).increment(1);
        }
        tracing::info!(job = %resource.id, tenant = %self.job.tenant, lane = %resource.lane, deferred = resource.deferred, "A job was accepted.");
    }
}
