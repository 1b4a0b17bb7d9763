//! What a summary job is: its id, its request, its queue message, its states, its lane, and the
//! resource that clients read; and who may ask for one.
//!
//! This crate is pure. Nothing in it may depend on AWS, SQL, Redis or tokio.

mod attempt;
mod ended;
mod engine;
mod failure;
mod fingerprint;
mod id;
mod key_hash;
mod list;
mod message;
mod request;
mod resource;
mod routing;
mod scope;
mod state;
mod tenant;
mod usage;

pub use attempt::{Attempt, MOST_RECEIVES, Next, exhausted, last_failure, next, refusal, since_replay};
pub use ended::Ended;
pub use engine::{Unmade, summarize};
pub use failure::{Consequence, FailureCode, JobError};
pub use fingerprint::{fingerprint, hex};
pub use id::{JobId, ParseJobIdError, RegionTag};
pub use key_hash::{InvalidKeyHash, KeyHash};
pub use list::{Filter, Listed, Span};
pub use message::{CheckMessage, Document, EraseMessage, Message, MessageError, RecordMessage, SummarizeMessage};
pub use request::{
    ExpiresIn, Focus, Format, Include, InvalidDeadline, InvalidExpiresIn, InvalidField, InvalidFocus, InvalidLanguageTag, InvalidLength,
    InvalidMetadata, LanguageTag, Length, Limits, Metadata, Method, Priority, RETENTION, RequestOptions, Submission, SubmissionError,
    explained, parse_object,
};
pub use resource::{Job, Links, SummaryResource, SummaryResult};
pub use routing::{INLINE_DOCUMENT_BYTES, Lane, PerLane, route};
pub use scope::{Scope, Scopes};
pub use state::{ForbiddenTransition, Status};
pub use tenant::{InvalidKeyId, InvalidTenant, KeyId, Plan, TenantId};
pub use usage::{Counts, Tally, Usage};
