//! The documents bucket in S3. It holds texts that are too large for a message, and the bodies of
//! dead letters.
//!
//! The keys are `documents/<tenant>/<job id>` and `dead-letters/<lane>/<message id>`. The lifecycle
//! rules of the bucket delete both. Before that, objects are deleted only if a client erases its job.
//! The bucket has versions: a deleted object cannot be read any more, and S3 removes it a day later.

use aws_sdk_s3::{Client, error::SdkError, operation::get_object::GetObjectError, primitives::ByteStream};

use futures::future::try_join_all;

use crate::{
    config::{self, ConfigError},
    job::{JobId, Lane, TenantId},
    store::{Store, StoreError},
};

/// The documents bucket.
pub struct Documents {
    client: Client,
    bucket: String,
}

impl Documents {
    /// The bucket that `DOCUMENTS_BUCKET` names.
    ///
    /// # Errors
    /// If the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(aws),
            bucket: config::required("DOCUMENTS_BUCKET")?,
        })
    }

    /// Stores the text of a job and returns its key.
    ///
    /// # Errors
    /// If S3 does not answer or refuses the text.
    pub async fn store(&self, tenant: &TenantId, job: &JobId, text: String) -> Result<String, StoreError> {
        self.put(document_key(tenant, job), text, "text/plain; charset=utf-8", "store a document")
            .await
    }

    /// Stores the body of a dead letter and returns its key.
    ///
    /// # Errors
    /// If S3 does not answer or refuses the body.
    pub async fn keep(&self, lane: Lane, message_id: &str, body: String) -> Result<String, StoreError> {
        self.put(
            letter_key(lane, message_id),
            body,
            "application/json",
            "store the body of a dead letter",
        )
        .await
    }

    /// Deletes the text of a job, if it is stored, and these bodies of dead letters.
    ///
    /// # Errors
    /// If S3 does not answer.
    pub async fn erase(&self, tenant: &TenantId, job: &JobId, letters: Vec<String>) -> Result<(), StoreError> {
        let keys = letters.into_iter().chain([document_key(tenant, job)]);
        let requests = keys.map(|key| self.client.delete_object().bucket(&self.bucket).key(key).send());
        try_join_all(requests)
            .await
            .map(drop)
            .map_err(StoreError::because(Store::Documents, "delete the texts of a job"))
    }

    /// Deletes the body of a dead letter.
    ///
    /// # Errors
    /// If S3 does not answer.
    pub async fn discard(&self, body_key: &str) -> Result<(), StoreError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(body_key).send().await;
        deleted
            .map(drop)
            .map_err(StoreError::because(Store::Documents, "delete the body of a dead letter"))
    }

    async fn put(&self, key: String, body: String, mime: &str, operation: &'static str) -> Result<String, StoreError> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&key)
            .content_type(mime)
            .body(ByteStream::from(body.into_bytes()))
            .send()
            .await
            .map_err(StoreError::because(Store::Documents, operation))?;
        Ok(key)
    }

    /// Reads the text under `key`. Returns `None` if there is no such object.
    ///
    /// # Errors
    /// If S3 does not answer.
    pub async fn fetch(&self, key: &str) -> Result<Option<String>, StoreError> {
        const OPERATION: &str = "fetch a document";
        let reply = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = match reply.map_err(SdkError::into_service_error) {
            Err(GetObjectError::NoSuchKey(_)) => return Ok(None),
            other => other.map_err(StoreError::because(Store::Documents, OPERATION))?,
        };
        let bytes = object
            .body
            .collect()
            .await
            .map_err(StoreError::because(Store::Documents, OPERATION))?;
        String::from_utf8(bytes.to_vec())
            .map(Some)
            .map_err(StoreError::because(Store::Documents, OPERATION))
    }

    /// Checks that S3 answers for this bucket.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let reply = self.client.head_bucket().bucket(&self.bucket).send().await;
        reply.map(drop).map_err(StoreError::because(Store::Documents, "reach the bucket"))
    }
}

/// The key of the body of a dead letter.
pub fn letter_key(lane: Lane, message_id: &str) -> String {
    format!("dead-letters/{lane}/{message_id}")
}

fn document_key(tenant: &TenantId, job: &JobId) -> String {
    format!("documents/{tenant}/{job}")
}
