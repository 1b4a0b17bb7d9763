//! What a summary job is: its id, its request, its queue message, its states, its lane, and the
//! resource that clients read.
//!
//! This crate is pure. Nothing in it may depend on AWS, SQL, Redis or tokio.

mod failure;
mod fingerprint;
mod id;
mod message;
mod request;
mod resource;
mod routing;
mod state;
mod tenant;

pub use failure::FailureCode;
pub use fingerprint::{fingerprint, hex};
pub use id::{JobId, ParseJobIdError, RegionTag};
pub use message::{Document, Message, MessageError, SummarizeMessage};
pub use request::{
    Focus, Format, Include, InvalidField, InvalidFocus, InvalidLanguageTag, InvalidLength, InvalidMetadata, LanguageTag, Length, Limits,
    Metadata, Method, Priority, RequestOptions, Submission, SubmissionError,
};
pub use resource::{Attempt, Job, JobError, Links, RETENTION, SummaryResource, SummaryResult};
pub use routing::{INLINE_DOCUMENT_BYTES, Lane, PerLane, route};
pub use state::{ForbiddenTransition, Status};
pub use tenant::{InvalidKeyId, InvalidTenant, KeyId, Plan, TenantId};
