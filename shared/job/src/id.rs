//! Job ids. They have the form `sum_<region tag>_<26 characters>`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use ulid::Ulid;
use uuid::Uuid;

/// The short name of an AWS region in a job id, such as `use1` for `us-east-1` and `apse1` for
/// `ap-southeast-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegionTag(String);

impl RegionTag {
    /// Shortens the name of an AWS region. Words such as `southeast` become their two initials, and
    /// other words become their first letter.
    pub fn from_region(region: &str) -> Self {
        let mut parts = region.split('-');
        let mut tag = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            tag.push_str(match part {
                "northeast" => "ne",
                "northwest" => "nw",
                "southeast" => "se",
                "southwest" => "sw",
                number if number.starts_with(|c: char| c.is_ascii_digit()) => number,
                word => word.get(..1).unwrap_or_default(),
            });
        }
        Self(tag)
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a summary job in the ledger, the lanes, the archive, the cache and the API.
///
/// The 26 characters are the Crockford base32 form of a UUIDv7 (RFC 9562). Such a UUID begins with
/// its time. Ids can therefore be sorted by creation, and an id is in exactly one monthly partition
/// of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId {
    region: RegionTag,
    uuid: Uuid,
}

/// The text is not a job id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a job, expected the form `sum_use1_01J0Z3NDEKTSV4RRFFQ69G5FAV`")]
pub struct ParseJobIdError;

impl JobId {
    /// Makes an id from a region and a new UUIDv7.
    pub fn new(region: RegionTag, uuid: Uuid) -> Self {
        Self { region, uuid }
    }

    /// The region that accepted the job.
    pub fn region(&self) -> &RegionTag {
        &self.region
    }

    /// The 26 characters of the id that are ordered by time.
    pub fn submission(&self) -> String {
        Ulid(self.uuid.as_u128()).to_string()
    }

    /// The primary key of the job in the archive.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sum_{}_{}", self.region, self.submission())
    }
}

impl FromStr for JobId {
    type Err = ParseJobIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (region, code) = text
            .strip_prefix("sum_")
            .and_then(|rest| rest.split_once('_'))
            .ok_or(ParseJobIdError)?;
        let tag = (3..=8).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let uuid = Uuid::from_u128(Ulid::from_string(code).map_err(|_| ParseJobIdError)?.0);
        let id = Self::new(RegionTag(region.to_owned()), uuid);
        // Each job has exactly one spelling of its id. Lower case, `I` instead of `1` and the like
        // are refused.
        let canonical = tag && uuid.get_version_num() == 7 && id.to_string() == text;
        canonical.then_some(id).ok_or(ParseJobIdError)
    }
}

impl TryFrom<String> for JobId {
    type Error = ParseJobIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn regions_shorten_to_distinct_tags() {
        for (region, tag) in [
            ("us-east-1", "use1"),
            ("eu-west-1", "euw1"),
            ("ap-southeast-1", "apse1"),
            ("ap-south-1", "aps1"),
            ("ca-central-1", "cac1"),
            ("us-gov-west-1", "usgw1"),
        ] {
            assert_eq!(RegionTag::from_region(region).as_str(), tag);
        }
    }

    #[test]
    fn text_of_another_form_is_refused() {
        for text in [
            "",
            "sum_",
            "sum_use1_",
            "sum_use1_zzz",
            "use1_01J0Z3NDEKTSV4RRFFQ69G5FAV",
            "sum_USE1_01J0Z3NDEKTSV4RRFFQ69G5FAV",
        ] {
            assert_eq!(text.parse::<JobId>(), Err(ParseJobIdError), "{text}");
        }
        let id = JobId::new(RegionTag::from_region("us-east-1"), Uuid::now_v7());
        assert!(id.to_string().to_lowercase().parse::<JobId>().is_err());
    }

    proptest! {
        #[test]
        fn an_id_is_parsed_from_its_text(millis in 0u64..1 << 48, random: [u8; 10]) {
            let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
            let id = JobId::new(RegionTag::from_region("eu-west-1"), uuid);
            prop_assert_eq!(id.to_string().parse::<JobId>(), Ok(id.clone()));
            prop_assert_eq!(id.to_string().len(), "sum_euw1_".len() + 26);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<JobId>();
        }
    }
}
