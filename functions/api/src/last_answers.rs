//! What the health checks keep of the stores' last answers.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use shared::recent::Recent;
use utoipa::ToSchema;

/// How long the deep health check waits for the stores, and how long it keeps their answers.
pub(crate) const DEEP: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));
/// The same for the check for routing. Route 53 waits two seconds for an answer.
pub(crate) const ROUTING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(1));

/// Health of one store.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct StoreHealth {
    pub(crate) ok: bool,
    /// How long the store took to answer, in milliseconds.
    pub(crate) milliseconds: u64,
}

/// The health of stores by their names.
pub(crate) type Stores = BTreeMap<&'static str, StoreHealth>;

/// What the health checks keep of the stores' last answers.
pub(crate) struct LastAnswers {
    pub(crate) deep: Recent<(), Stores>,
    pub(crate) routing: Recent<(), Stores>,
}

impl Default for LastAnswers {
    fn default() -> Self {
        Self {
            deep: Recent::new(1, DEEP.1),
            routing: Recent::new(1, ROUTING.1),
        }
    }
}
