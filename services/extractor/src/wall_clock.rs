//! Clocks on the wall: times that name no zone, some of which come twice when a clock is put back.

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
    /// One that nobody has named: it may be put back whenever any on earth is.
    Unknown,
}

impl<'a> From<Option<&'a TimeZone>> for WallClock<'a> {
    fn from(zone: Option<&'a TimeZone>) -> WallClock<'a> {
        zone.map_or(WallClock::Unknown, WallClock::Of)
    }
}

impl WallClock<'_> {
    /// The version that a text is. Of times that come twice nobody can tell which is the earlier one, so they are
    /// all ordered as the first of them, and of these the one read later is newer.
    pub fn version(self, text: &str) -> Version {
        let version = Version::new(text);
        let twice = shown_by(text).and_then(|time| self.twice(time));
        match twice {
            Some(twice) => version.ordered_as(&written_as(text, twice.start)),
            None => version,
        }
    }

    /// The earliest time that the clock may have shown since it showed this one, or so much before that.
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

    /// The time that the clock shows.
    pub fn time(self, instant: Timestamp) -> DateTime {
        match self {
            WallClock::Of(zone) => zone.to_datetime(instant),
            // The clock that is ahead of all others.
            WallClock::Unknown => tz::offset(14).to_datetime(instant),
        }
    }

    /// The times around this one that come twice, where it does.
    fn twice(self, time: DateTime) -> Option<Range<DateTime>> {
        match self {
            WallClock::Of(zone) => folds(zone, time.year()).find(|fold| fold.contains(&time)),
            WallClock::Unknown => folds_anywhere(time.year())
                .iter()
                .find(|fold| fold.contains(&time))
                .cloned(),
        }
    }
}

/// The version that an instant is which was made of a time on this zone's clock: of one that comes twice it is
/// the first, whichever was meant.
pub fn converted(text: &str, zone: &TimeZone) -> Version {
    let first = |time: Timestamp| {
        let twice = WallClock::Of(zone).twice(zone.to_datetime(time))?;
        zone.to_ambiguous_timestamp(twice.start).earlier().ok()
    };
    let version = Version::new(text);
    match text.parse().ok().and_then(first) {
        Some(first) => version.ordered_as(&first.to_string()),
        None => version,
    }
}

/// The instant that is made of the earliest time as [`WallClock::earliest`] has it, of an instant that was made
/// of a time on this zone's clock.
pub fn earliest_instant(
    zone: &TimeZone,
    instant: Timestamp,
    overlap: SignedDuration,
) -> Option<Timestamp> {
    let earliest = earliest(zone, zone.to_datetime(instant), overlap)?;
    zone.to_ambiguous_timestamp(earliest).earlier().ok()
}

/// What a date and a time of day without a zone say, where they are written so that their order as text is
/// that of the times.
pub fn shown_by(text: &str) -> Option<DateTime> {
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

/// A time to the minute, written as another one is.
fn written_as(text: &str, time: DateTime) -> String {
    format!("{}{}{}", time.date(), &text[10..11], time.strftime("%H:%M"))
}

/// None where the zone's clock did not show such a time, or nobody can reckon with it.
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
    // The second before: sources may list what is later than what they are asked for.
    let begins = put_back.map(|transition| {
        transition
            .offset()
            .to_datetime(transition.timestamp())
            .saturating_sub(SignedDuration::from_secs(1))
    });
    begins.chain([zone.to_datetime(since)]).min()
}

/// The times of about a year that come twice on the clock of a zone.
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

/// The zones by whose clocks somebody may do business. A station in Antarctica puts its clock back by two hours,
/// which would be twice as many times for all of Europe.
static ZONES: LazyLock<Vec<TimeZone>> = LazyLock::new(|| {
    let names = tz::db()
        .available()
        .filter(|name| !name.as_str().starts_with("Antarctica/"));
    names
        .filter_map(|name| tz::db().get(name.as_str()).ok())
        .collect()
});

/// The years in which clocks are put back, those of records of our time: a year is reckoned once, which takes
/// long for something that a record may name.
const YEARS: Range<i16> = 1970..2200;

/// The times of a year that come twice on any clock. Where some of one clock are some of another's, all of both
/// are together, so that what is ordered as the first of them has one order.
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
