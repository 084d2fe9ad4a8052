#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use uuid::Builder;

use super::*;

fn warsaw() -> TimeZone {
    TimeZone::get("Europe/Warsaw").unwrap()
}

/// True if the first text, which was read first, is taken for older than the second.
fn is_outdated(clock: WallClock<'_>, first: &str, second: &str) -> bool {
    let read = |text, order| clock.version(text).with_extraction_order(&order_of(order));
    read(first, 1).is_older(&read(second, 2))
}

fn order_of(read: u64) -> Version {
    Version::of_extraction(
        Builder::from_unix_timestamp_millis(read, &[0; 10]).into_uuid(),
        0,
    )
}

#[test]
fn of_times_that_come_twice_the_one_read_later_is_newer() {
    let zone = warsaw();
    for clock in [WallClock::Of(&zone), WallClock::Unknown] {
        assert!(is_outdated(
            clock,
            "2026-10-25 02:50:00",
            "2026-10-25 02:10:00"
        ));
        assert!(is_outdated(
            clock,
            "2026-10-25T02:59:59.999",
            "2026-10-25T02:00"
        ));
        assert!(is_outdated(
            clock,
            "2026-10-25 01:59:59",
            "2026-10-25 02:00:00"
        ));
        assert!(!is_outdated(
            clock,
            "2026-10-25 03:00:00",
            "2026-10-25 02:59:59"
        ));
        assert!(!is_outdated(
            clock,
            "2026-10-25 02:00:00",
            "2026-10-25 01:59:59"
        ));
        assert!(!is_outdated(
            clock,
            "2026-10-24 02:50:00",
            "2026-10-24 02:10:00"
        ));
    }
}

#[test]
fn a_clock_that_nobody_has_named_may_be_any_and_one_of_a_zone_is_no_other() {
    let (early, late) = ("2026-11-01 01:10:00", "2026-11-01 01:50:00");
    assert!(is_outdated(WallClock::Unknown, late, early));
    assert!(is_outdated(
        WallClock::Of(&TimeZone::get("America/Chicago").unwrap()),
        late,
        early
    ));
    assert!(!is_outdated(WallClock::Of(&warsaw()), late, early));
    assert!(!is_outdated(WallClock::Of(&TimeZone::UTC), late, early));
}

#[test]
fn a_version_is_as_the_source_wrote_it() {
    let text = "2026-10-25 02:10:00";
    assert_eq!(WallClock::Unknown.version(text).as_str(), text);
    assert_eq!(
        converted_version("2026-10-25T00:10:00Z", &warsaw()).as_str(),
        "2026-10-25T00:10:00Z"
    );
}

#[test]
fn what_is_no_time_on_a_clock_is_a_version_as_it_is() {
    for text in [
        "",
        "7",
        "rev-b",
        "2026-10-25",
        "2026-10-25T02:10:00Z",
        "2026-10-25T02:10:00+02:00",
        "25.10.2026 02:10",
    ] {
        assert_eq!(
            WallClock::Unknown.version(text),
            Version::new(text),
            "{text}"
        );
    }
    assert_eq!(
        converted_version("2026-10-25T01:10:00Z", &TimeZone::UTC),
        Version::new("2026-10-25T01:10:00Z")
    );
}

#[test]
fn instants_that_were_made_of_times_which_come_twice_are_told_apart_by_when_they_were_read() {
    let read =
        |text, order| converted_version(text, &warsaw()).with_extraction_order(&order_of(order));
    let is_outdated = |first, second| read(first, 1).is_older(&read(second, 2));
    assert!(is_outdated("2026-10-25T00:50:00Z", "2026-10-25T00:10:00Z"));
    assert!(is_outdated("2026-10-24T23:59:59Z", "2026-10-25T00:00:00Z"));
    assert!(!is_outdated("2026-10-25T02:00:00Z", "2026-10-25T00:59:59Z"));
}

#[test]
fn it_is_asked_from_before_the_hour_that_comes_twice_and_over_one_that_is_left_out() {
    let zone = warsaw();
    let earliest = |text: &str, minutes| {
        let all = [WallClock::Of(&zone), WallClock::Unknown];
        let all = all.map(|clock| {
            clock
                .earliest(text.parse().unwrap(), SignedDuration::from_mins(minutes))
                .to_string()
        });
        assert_eq!(all[0], all[1]);
        all[0].clone()
    };
    assert_eq!(earliest("2026-10-25T02:50:00", 0), "2026-10-25T01:59:59");
    assert_eq!(earliest("2026-10-25T02:50:00", 5), "2026-10-25T01:59:59");
    assert_eq!(earliest("2026-10-25T02:50:00", 120), "2026-10-25T00:50:00");
    assert_eq!(earliest("2026-07-25T02:50:00", 5), "2026-07-25T02:45:00");
    assert_eq!(earliest("2026-03-29T03:02:00", 5), "2026-03-29T01:57:00");
    let instant = earliest_instant(
        &zone,
        "2026-10-25T00:50:00Z".parse().unwrap(),
        SignedDuration::ZERO,
    );
    assert_eq!(instant.unwrap().to_string(), "2026-10-24T23:59:59Z");
}

/// A zone whose clock is put back, and when.
fn put_back() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    const ZONES: [&str; 5] = [
        "Europe/Warsaw",
        "America/Havana",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Atlantic/Azores",
    ];
    prop::sample::select(&ZONES).prop_map(|name| {
        let zone = TimeZone::get(name).unwrap();
        let fold = folds(&zone, 2026).next().unwrap();
        let again = zone.to_ambiguous_timestamp(fold.start).later().unwrap();
        (zone, again)
    })
}

/// Moments around another one, in order.
fn moments(around: Timestamp, minutes: &[i64]) -> Vec<Timestamp> {
    let mut moments: Vec<_> = minutes
        .iter()
        .map(|&minutes| around + SignedDuration::from_mins(minutes))
        .collect();
    moments.sort();
    moments.dedup();
    moments
}

fn written(zone: &TimeZone, moment: Timestamp) -> String {
    zone.to_datetime(moment).strftime("%F %T").to_string()
}

proptest! {
    /// A record changes now and then, and each reading finds it as it is. However late and in
    /// whatever order what was read comes to be applied, what was read last stays.
    #[test]
    fn what_was_read_last_stays_whatever_the_clock_shows(
        (zone, again) in put_back(),
        changes in prop::collection::vec(-300i64..300, 1..8),
        readings in prop::collection::vec(-300i64..300, 1..8),
        deliveries in prop::collection::vec(0usize..8, 0..20),
    ) {
        let changes = moments(again, &changes);
        let read: Vec<(Timestamp, Timestamp)> = moments(again, &readings)
            .into_iter()
            .filter_map(|moment| Some((moment, *changes.iter().rfind(|change| **change <= moment)?)))
            .collect();
        prop_assume!(!read.is_empty());
        let every_one = deliveries.iter().map(|place| place % read.len()).chain((0..read.len()).rev());
        for clock in [WallClock::Of(&zone), WallClock::Unknown] {
            let mut applied: Option<(Version, Timestamp)> = None;
            for place in every_one.clone() {
                let order = order_of(read[place].0.as_millisecond() as u64);
                let version = clock.version(&written(&zone, read[place].1)).with_extraction_order(&order);
                if applied.as_ref().is_none_or(|(known, _)| !version.is_older(known)) {
                    applied = Some((version, read[place].1));
                }
            }
            prop_assert_eq!(applied.unwrap().1, read.last().unwrap().1);
        }
    }

    /// A source lists what its clock shows as later than what it is asked for. Nothing that changed
    /// is missed.
    #[test]
    fn nothing_that_changes_is_missed_whatever_the_clock_shows(
        (zone, again) in put_back(),
        changes in prop::collection::vec(-300i64..300, 1..20),
        readings in prop::collection::vec(-300i64..300, 1..4),
    ) {
        let changes = moments(again, &changes);
        for clock in [WallClock::Of(&zone), WallClock::Unknown] {
            let (mut cursor, mut found) = (None::<DateTime>, Vec::new());
            for moment in moments(again, &readings) {
                let since = cursor.map(|cursor| clock.earliest(cursor, SignedDuration::ZERO));
                let so_far = changes.iter().filter(|change| **change <= moment);
                for change in so_far.clone().filter(|change| Some(zone.to_datetime(**change)) > since) {
                    cursor = cursor.max(Some(zone.to_datetime(*change)));
                    found.push(*change);
                }
                prop_assert!(so_far.clone().all(|change| found.contains(change)), "{since:?}");
            }
        }
    }

    #[test]
    fn any_text_is_a_version(text in "[0-9]{1,5}-[0-9]{1,2}-[0-9]{1,2}[ Tt][0-9]{1,2}:[0-9]{1,2}(:[0-9.]{1,5})?|\\PC{0,30}") {
        let version = WallClock::Unknown.version(&text);
        prop_assert_eq!(version.as_str(), &*text);
    }
}
