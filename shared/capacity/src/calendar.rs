//! The calendar of announced demand, such as office days, launches and batch runs.
//!
//! Times are local times of an IANA time zone, so that an event at 08:30 stays at 08:30 when the
//! clocks change. If the clocks skip a time, it is moved later by the same amount. If a time occurs
//! twice, the first one is meant.

use std::{ops::Range, str::FromStr};

use jiff::{
    Span, Timestamp,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use serde::Deserialize;

use crate::demand::Demand;

/// The shortest event, in minutes. The forecast has steps of this length, so that a shorter event
/// could be missed.
const SHORTEST_MINUTES: i64 = 5;

/// All events of a plan. Events at the same time add up.
#[derive(Clone, Debug, Default)]
pub struct Calendar(Vec<Event>);

#[derive(Clone, Debug)]
struct Event {
    name: String,
    zone: TimeZone,
    days: Days,
    from: Time,
    until: Time,
    ramp: f64,
    jobs_per_minute: Demand,
}

#[derive(Clone, Debug)]
enum Days {
    Every(Vec<Weekday>),
    Once(Date),
}

/// An event as the capacity plan contains it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: String,
    zone: String,
    #[serde(default)]
    days: Vec<Day>,
    date: Option<String>,
    from: String,
    until: String,
    #[serde(default)]
    ramp_minutes: u32,
    jobs_per_minute: Demand,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Monday => Self::Monday,
            Day::Tuesday => Self::Tuesday,
            Day::Wednesday => Self::Wednesday,
            Day::Thursday => Self::Thursday,
            Day::Friday => Self::Friday,
            Day::Saturday => Self::Saturday,
            Day::Sunday => Self::Sunday,
        }
    }
}

impl Entry {
    /// Checks an entry. An error consists of the field and what is wrong with it.
    pub(super) fn check(self) -> Result<CheckedEvent, (&'static str, String)> {
        let days = match (self.date.as_deref(), self.days.as_slice()) {
            (Some(date), []) => Days::Once(read("date", date, "a date such as 2026-12-01")?),
            (None, [_, ..]) => Days::Every(self.days.iter().copied().map(Weekday::from).collect()),
            _ => {
                return Err((
                    "days",
                    "give either `days` (for an event that is repeated) or `date` (for an event on one day)".to_owned(),
                ));
            }
        };
        let zone = TimeZone::get(&self.zone).map_err(|_| {
            (
                "zone",
                format!("`{}` is not an IANA time zone; write one such as Europe/Berlin", self.zone),
            )
        })?;
        let (from, until): (Time, Time) = (read("from", &self.from, TIME)?, read("until", &self.until, TIME)?);
        let minutes = i64::from((until - from).get_hours()) * 60 + (until - from).get_minutes();
        if (-SHORTEST_MINUTES..SHORTEST_MINUTES).contains(&minutes) && minutes >= 0 {
            return Err(("until", format!("an event must last at least {SHORTEST_MINUTES} minutes")));
        }
        if self.ramp_minutes > 24 * 60 {
            return Err(("ramp_minutes", "a ramp must not be longer than a day (1440)".to_owned()));
        }
        let demand = &self.jobs_per_minute;
        if [demand.express, demand.standard, demand.bulk]
            .iter()
            .any(|jobs| !jobs.is_finite() || *jobs < 0.0)
        {
            return Err(("jobs_per_minute", "the value must be 0 or more in every lane".to_owned()));
        }
        Ok(CheckedEvent(Event {
            name: self.name,
            zone,
            days,
            from,
            until,
            ramp: f64::from(self.ramp_minutes) * 60.0,
            jobs_per_minute: self.jobs_per_minute,
        }))
    }
}

const TIME: &str = "a time such as 08:30";

fn read<T: FromStr>(field: &'static str, text: &str, expected: &str) -> Result<T, (&'static str, String)> {
    text.parse().map_err(|_| (field, format!("`{text}` is not {expected}")))
}

/// An event that was checked.
pub(super) struct CheckedEvent(Event);

impl FromIterator<CheckedEvent> for Calendar {
    fn from_iter<I: IntoIterator<Item = CheckedEvent>>(events: I) -> Self {
        Self(events.into_iter().map(|CheckedEvent(event)| event).collect())
    }
}

/// One occurrence of an event. Its times are in seconds since 1970.
pub(super) struct Occurrence<'a> {
    pub(super) name: &'a str,
    from: f64,
    until: f64,
    ramp: f64,
    pub(super) jobs_per_minute: &'a Demand,
}

impl Occurrence<'_> {
    /// The time, in seconds since 1970, in which a lever with this lead time must count the event.
    /// It begins a minute earlier than the lead time, because the next decision comes after a
    /// minute.
    pub(super) fn window(&self, lead_minutes: f64) -> Range<f64> {
        self.from - self.ramp - (lead_minutes + 1.0) * 60.0..self.until + self.ramp
    }

    /// The jobs per minute at a moment. During the event these are all jobs, and on the ramps
    /// before and after it a part of them.
    pub(super) fn demand(&self, at: f64) -> Demand {
        let off = (self.from - at).max(at - self.until).max(0.0);
        let inside = at >= self.from && at < self.until;
        let share = if inside {
            1.0
        } else if self.ramp > 0.0 {
            (1.0 - off / self.ramp).clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.jobs_per_minute.times(share)
    }
}

impl Calendar {
    /// The events on the days around a moment. They cover at least the next day.
    pub(super) fn around(&self, now: Timestamp) -> Vec<Occurrence<'_>> {
        self.0.iter().flat_map(|event| event.around(now)).collect()
    }

    /// The jobs per minute that are announced for a moment.
    pub fn demand(&self, at: Timestamp) -> Demand {
        let seconds = at.as_second() as f64;
        self.around(at)
            .iter()
            .fold(Demand::default(), |sum, occurrence| sum.plus(&occurrence.demand(seconds)))
    }
}

impl Event {
    fn around(&self, now: Timestamp) -> impl Iterator<Item = Occurrence<'_>> {
        let today = self.zone.to_datetime(now).date();
        (-2..=2).filter_map(move |offset| {
            let day = today.checked_add(Span::new().days(offset)).ok()?;
            let happens = match &self.days {
                Days::Every(days) => days.contains(&day.weekday()),
                Days::Once(date) => *date == day,
            };
            let last = if self.until > self.from { day } else { day.tomorrow().ok()? };
            happens.then_some(())?;
            Some(Occurrence {
                name: &self.name,
                from: self.moment(day, self.from)?,
                until: self.moment(last, self.until)?,
                ramp: self.ramp,
                jobs_per_minute: &self.jobs_per_minute,
            })
        })
    }

    fn moment(&self, day: Date, time: Time) -> Option<f64> {
        let moment = self.zone.to_ambiguous_timestamp(day.to_datetime(time)).compatible().ok()?;
        Some(moment.as_second() as f64)
    }
}

impl Calendar {
    /// Adds an event on one day, the day of `on` in UTC.
    pub(super) fn announce(&mut self, name: &str, on: Timestamp, hours: Range<Time>, jobs_per_minute: Demand) {
        self.0.push(Event {
            name: name.to_owned(),
            zone: TimeZone::UTC,
            days: Days::Once(TimeZone::UTC.to_datetime(on).date()),
            from: hours.start,
            until: hours.end,
            ramp: 0.0,
            jobs_per_minute,
        });
    }
}
