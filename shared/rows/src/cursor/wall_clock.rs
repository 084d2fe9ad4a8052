//! Clocks on the wall: times that name no zone, some of which come twice when a clock is put back.
//!
//! A *fold* is a range of such times, usually an hour in autumn.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::{self, TimeZone},
};
use pomost_models::Version;

/// The clock of a source's times that name no zone.
#[derive(Debug, Clone, Copy)]
pub enum WallClock<'a> {
    /// The clock of a zone.
    Of(&'a TimeZone),
    /// A clock whose zone is not named: it may be put back whenever any clock on earth is.
    Unknown,
}

impl<'a> From<Option<&'a TimeZone>> for WallClock<'a> {
    fn from(zone: Option<&'a TimeZone>) -> WallClock<'a> {
        zone.map_or(WallClock::Unknown, WallClock::Of)
    }
}

impl WallClock<'_> {
    /// The version that a text stands for. Of two times in a fold nobody can tell which is the
    /// earlier one, so all times of a fold are ordered as its first one, and then by the order of
    /// extraction.
    pub fn version(self, text: &str) -> Version {
        let version = Version::new(text);
        let fold = sortable_date_time(text).and_then(|time| self.fold_around(time));
        match fold {
            Some(fold) => version.ordered_as(&minute_written_like(fold.start, text)),
            None => version,
        }
    }

    /// The earliest time that the clock may have shown since it showed `shown`, or since `overlap`
    /// before that.
    pub fn earliest(self, shown: DateTime, overlap: SignedDuration) -> DateTime {
        let plainly = shown.saturating_sub(overlap);
        match self {
            WallClock::Of(zone) => earliest(zone, shown, overlap).unwrap_or(plainly),
            WallClock::Unknown => {
                let anywhere = ZONES
                    .iter()
                    .filter_map(|zone| earliest(zone, shown, overlap));
                anywhere.min().unwrap_or(plainly).min(plainly)
            }
        }
    }

    /// The time that the clock shows at an instant.
    pub fn time(self, instant: Timestamp) -> DateTime {
        match self {
            WallClock::Of(zone) => zone.to_datetime(instant),
            // The clock that is ahead of all others: a time that is past on it is past everywhere.
            WallClock::Unknown => tz::offset(14).to_datetime(instant),
        }
    }

    /// The fold that a time lies in, if it does.
    fn fold_around(self, time: DateTime) -> Option<Range<DateTime>> {
        match self {
            WallClock::Of(zone) => folds(zone, time.year()).find(|fold| fold.contains(&time)),
            WallClock::Unknown => folds_anywhere(time.year())
                .iter()
                .find(|fold| fold.contains(&time))
                .cloned(),
        }
    }
}

/// The version that an instant stands for which an expression made of a time on a zone's clock. An
/// instant that was made of a time in a fold is ordered as the fold's first one, whichever was
/// meant.
pub fn converted_version(text: &str, zone: &TimeZone) -> Version {
    let first = |time: Timestamp| {
        let fold = WallClock::Of(zone).fold_around(zone.to_datetime(time))?;
        zone.to_ambiguous_timestamp(fold.start).earlier().ok()
    };
    let version = Version::new(text);
    match text.parse().ok().and_then(first) {
        Some(first) => version.ordered_as(&first.to_string()),
        None => version,
    }
}

/// [`WallClock::earliest`] for an instant that an expression made of a time on a zone's clock.
pub(super) fn earliest_instant(
    zone: &TimeZone,
    instant: Timestamp,
    overlap: SignedDuration,
) -> Option<Timestamp> {
    let earliest = earliest(zone, zone.to_datetime(instant), overlap)?;
    zone.to_ambiguous_timestamp(earliest).earlier().ok()
}

/// Reads a date and a time of day without a zone, if they are written so that their order as text
/// is the order of the times.
pub(super) fn sortable_date_time(text: &str) -> Option<DateTime> {
    let bytes = text.as_bytes();
    let is_sorted = bytes.len() >= "2026-10-25 02:00".len()
        && [(4, '-'), (7, '-'), (13, ':')]
            .iter()
            .all(|&(place, c)| bytes[place] == c as u8)
        && matches!(bytes[10], b' ' | b'T' | b't');
    if !is_sorted || text.ends_with('Z') || text.parse::<Timestamp>().is_ok() {
        return None;
    }
    text.parse().ok()
}

/// Writes a time to the minute, with the separator of `text`.
fn minute_written_like(time: DateTime, text: &str) -> String {
    format!("{}{}{}", time.date(), &text[10..11], time.strftime("%H:%M"))
}

/// `None` if the zone's clock cannot show such a time, or the time is too far from now to calculate
/// with.
fn earliest(zone: &TimeZone, shown: DateTime, overlap: SignedDuration) -> Option<DateTime> {
    const A_DAY: SignedDuration = SignedDuration::from_hours(24);
    let since = zone
        .to_ambiguous_timestamp(shown)
        .earlier()
        .ok()?
        .checked_sub(overlap)
        .ok()?;
    let soon = since.saturating_add(A_DAY).ok()?;
    let put_back = zone
        .following(since)
        .take_while(|transition| transition.timestamp() < soon);
    // One second earlier, since some sources list only changes later than the time they are asked
    // for.
    let begins = put_back.map(|transition| {
        transition
            .offset()
            .to_datetime(transition.timestamp())
            .saturating_sub(SignedDuration::from_secs(1))
    });
    begins.chain([zone.to_datetime(since)]).min()
}

/// The folds of about a year on the clock of a zone.
fn folds(zone: &TimeZone, year: i16) -> impl Iterator<Item = Range<DateTime>> {
    const A_DAY: SignedDuration = SignedDuration::from_hours(24);
    let begins = |year| {
        Some(
            Date::new(year, 1, 1)
                .ok()?
                .to_zoned(TimeZone::UTC)
                .ok()?
                .timestamp(),
        )
    };
    let from = begins(year)
        .and_then(|begins| begins.checked_sub(A_DAY).ok())
        .unwrap_or(Timestamp::MIN);
    let until = begins(year.saturating_add(1)).and_then(|ends| ends.checked_add(A_DAY).ok());
    let until = until.unwrap_or(Timestamp::MAX);
    let transitions = zone
        .following(from)
        .take_while(move |transition| transition.timestamp() < until);
    transitions.filter_map(|transition| {
        let at = transition.timestamp();
        let before = zone.to_offset(at.checked_sub(SignedDuration::from_nanos(1)).ok()?);
        let (begins, ends) = (transition.offset().to_datetime(at), before.to_datetime(at));
        (begins < ends).then_some(begins..ends)
    })
}

/// The zones by whose clocks somebody may do business. Antarctica is left out: a station there puts
/// its clock back by two hours, which would double the fold of every clock in Europe.
static ZONES: LazyLock<Vec<TimeZone>> = LazyLock::new(|| {
    let names = tz::db()
        .available()
        .filter(|name| !name.as_str().starts_with("Antarctica/"));
    names
        .filter_map(|name| tz::db().get(name.as_str()).ok())
        .collect()
});

/// The years whose folds are known. A year is calculated once, which takes long, and records may
/// name any year.
const YEARS: Range<i16> = 1970..2200;

/// The folds of a year on any clock on earth. Folds that overlap are united, so that all their
/// times are ordered as one first time.
fn folds_anywhere(year: i16) -> Arc<[Range<DateTime>]> {
    static KNOWN: RwLock<BTreeMap<i16, Arc<[Range<DateTime>]>>> = RwLock::new(BTreeMap::new());
    if !YEARS.contains(&year) {
        return Arc::default();
    }
    let known = KNOWN
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&year)
        .cloned();
    known.unwrap_or_else(|| {
        let folds: Arc<[_]> =
            united(ZONES.iter().flat_map(|zone| folds(zone, year)).collect()).into();
        KNOWN
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(year, folds.clone());
        folds
    })
}

fn united(mut folds: Vec<Range<DateTime>>) -> Vec<Range<DateTime>> {
    folds.sort_by_key(|fold| (fold.start, fold.end));
    let mut united: Vec<Range<DateTime>> = Vec::new();
    for fold in folds {
        match united.last_mut().filter(|last| fold.start < last.end) {
            Some(last) => last.end = last.end.max(fold.end),
            None => united.push(fold),
        }
    }
    united
}
