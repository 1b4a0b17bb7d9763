//! What a summary job is: its identity, request, queue message, states, lane and resource.
//!
//! Pure: nothing in here may know AWS, SQL, Redis or tokio.

mod fingerprint;
mod id;
mod message;
mod request;
mod resource;
mod routing;
mod state;
mod tenant;

pub use fingerprint::{fingerprint, hex};
pub use id::{JobId, ParseJobIdError, RegionTag};
pub use message::{Document, INLINE_DOCUMENT_BYTES, Message, MessageError, SummarizeMessage};
pub use request::{Format, Include, InvalidField, Limits, Method, Priority, RequestOptions, Submission, SubmissionError};
pub use resource::{Attempt, Job, JobError, Links, SummaryResource, SummaryResult};
pub use routing::{Lane, route};
pub use state::Status;
pub use tenant::{InvalidTenant, Plan, TenantId};
