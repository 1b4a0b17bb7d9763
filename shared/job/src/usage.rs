//! How much a tenant has used the service, by day and key.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::{Deserialize, Serialize};
use time::Date;
use utoipa::ToSchema;

use crate::tenant::KeyId;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Jobs that were accepted on this day, the deferred ones included.
    pub accepted: u64,
    /// Those of them that were accepted into the bulk lane because the tenant was over its rate.
    pub deferred: u64,
    /// Submissions that were refused because the rate and the allowance were used up.
    pub refused: u64,
    /// Submissions that were answered with a known result, and made no job.
    pub cached: u64,
    /// Jobs that succeeded on this day.
    pub succeeded: u64,
    /// Jobs that failed on this day.
    pub failed: u64,
    /// Jobs that were canceled on this day.
    pub canceled: u64,
    /// The characters (Unicode scalar values) of the texts of the jobs that succeeded.
    pub input_characters: u64,
    /// The characters of their summaries.
    pub output_characters: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.cached += other.cached;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.canceled += other.canceled;
        self.input_characters += other.input_characters;
        self.output_characters += other.output_characters;
    }
}

/// The counts of a tenant by day and key. Version 0.2.0 has counted without keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(BTreeMap<(Date, Option<KeyId>), Counts>);

impl Usage {
    /// The counts of a day and a key.
    pub fn of(&mut self, day: Date, key: Option<KeyId>) -> &mut Counts {
        self.0.entry((day, key)).or_default()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All rows, ordered by day and key.
    pub fn rows(&self) -> impl Iterator<Item = (Date, Option<&KeyId>, &Counts)> {
        self.0.iter().map(|((day, key), counts)| (*day, key.as_ref(), counts))
    }

    /// Adds tallies as they were noted before, and as they are counted now. A tally that is still
    /// counted was noted with a smaller or the same number, so that only its newest number is added.
    pub fn add_tallies(&mut self, noted: &[Tally], counted: &[Tally]) {
        let is_counted = |tally: &&Tally| counted.iter().any(|other| other.is_same(tally));
        for tally in noted.iter().filter(|tally| !is_counted(tally)).chain(counted) {
            for (day, key, counts) in tally.usage.rows() {
                *self.of(day, key.cloned()) += *counts;
            }
        }
    }
}

/// The submissions of a day that made no job, as one region has counted them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub day: Date,
    pub region: String,
    /// The name of this count. A region that has lost its count begins another one.
    pub generation: String,
    pub usage: Usage,
}

impl Tally {
    fn is_same(&self, other: &Self) -> bool {
        (self.day, &self.region, &self.generation) == (other.day, &other.region, &other.generation)
    }
}
