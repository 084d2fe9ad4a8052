#![allow(clippy::unwrap_used)]
use pomost_project::flow::CursorSource;

use super::{shift::*, *};

fn five_minutes_before(text: &str) -> Result<String, String> {
    with_overlap(
        text,
        Some(Duration::from_secs(300)),
        WallClock::Unknown,
        None,
    )
}

#[test]
fn an_overlap_reaches_back_in_the_source_s_own_writing() {
    assert_eq!(
        five_minutes_before("2026-03-01T00:02:00Z").unwrap(),
        "2026-02-28T23:57:00Z"
    );
    assert_eq!(
        five_minutes_before("2026-03-01T02:02:00.5+02:00").unwrap(),
        "2026-03-01T01:57:00.5+02:00"
    );
    assert_eq!(
        five_minutes_before("2026-03-01T02:02:00.000-05:30").unwrap(),
        "2026-03-01T01:57:00.000-05:30"
    );
    assert_eq!(
        five_minutes_before("2026-03-01T00:02:00.120Z").unwrap(),
        "2026-02-28T23:57:00.120Z"
    );
    assert_eq!(
        five_minutes_before("2026-03-01 00:02:00").unwrap(),
        "2026-02-28 23:57:00"
    );
    assert_eq!(
        five_minutes_before("2026-03-01T00:02:00.50").unwrap(),
        "2026-02-28T23:57:00.50"
    );
    assert_eq!(
        five_minutes_before("2026-03-01 00:02").unwrap(),
        "2026-02-28 23:57"
    );
    assert_eq!(five_minutes_before("2026-03-01").unwrap(), "2026-02-28");
    assert_eq!(five_minutes_before("1772323320").unwrap(), "1772323020");
    assert_eq!(
        five_minutes_before("1772323320000").unwrap(),
        "1772323020000"
    );
    assert_eq!(
        five_minutes_before("1772323320000000").unwrap(),
        "1772323020000000"
    );
}

#[test]
fn windows_follow_each_other_in_the_source_s_own_writing() {
    let day = Duration::from_secs(86_400);
    let until = |from: &str| window_end(from, day).unwrap();
    assert_eq!(
        until("2026-03-28T12:00:00+01:00"),
        "2026-03-29T12:00:00+01:00"
    );
    assert_eq!(until("2026-02-28"), "2026-03-01");
    assert_eq!(until("2026-12-31 23:00:00"), "2027-01-01 23:00:00");
    assert_eq!(until("1772323320"), "1772409720");
    assert_eq!(until("1772323320000"), "1772409720000");
}

#[test]
fn a_time_is_past_when_it_is_so_everywhere_on_earth() {
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    for past in [
        "2026-03-01T12:00:01Z",
        "2026-03-01T13:00:01+01:00",
        "2026-03-02 02:00:01",
        "2026-03-03",
        "1772366401",
        "1772366401000",
    ] {
        assert!(is_past(past, now, WallClock::Unknown), "{past}");
    }
    for not_yet in [
        "2026-03-01T12:00:00Z",
        "2026-03-02 01:59:59",
        "2026-03-02",
        "1772366400",
        "1772366399999",
    ] {
        assert!(!is_past(not_yet, now, WallClock::Unknown), "{not_yet}");
    }
}

#[test]
fn only_what_is_certainly_a_time_is_later_than_another() {
    let moment = "2026-03-01T12:00:00Z".parse().unwrap();
    let later = |text| is_certainly_later(text, moment, WallClock::Unknown);
    assert!(later("2026-03-01T12:00:01Z") && later("9999-12-31T00:00:00Z") && later("9999-12-31"));
    assert!(
        later("2026-03-01T14:00:00+01:00") && later("2026-03-02 02:00:01") && later("1772366401")
    );
    assert!(!later("2026-03-01T12:00:00Z") && !later("2026-03-01T12:59:00+01:00"));
    assert!(!later("2026-03-01") && !later("2026-03-02 01:00:00") && !later("1772366400"));
    assert!(!later("9999999999") && !later("99991231") && !later("z-9") && !later("-5"));
}

#[test]
fn of_a_clock_whose_zone_is_known_it_is_known_what_is_past() {
    let (zone, now) = (
        TimeZone::get("Europe/Warsaw").unwrap(),
        "2026-03-01T12:00:00Z".parse().unwrap(),
    );
    let is_past = |text| is_past(text, now, WallClock::Of(&zone));
    assert!(is_past("2026-03-01 13:00:01") && !is_past("2026-03-01 13:00:00"));
}

#[test]
fn a_run_reaches_back_over_the_hour_that_comes_twice_as_the_source_writes_it() {
    let zone = TimeZone::get("Europe/Warsaw").unwrap();
    let since = |text, converted| with_overlap(text, None, WallClock::Unknown, converted).unwrap();
    assert_eq!(since("2026-10-25 02:50:00", None), "2026-10-25 01:59:59");
    assert_eq!(
        since("2026-10-25T02:50:00.000", None),
        "2026-10-25T01:59:59.000"
    );
    assert_eq!(since("2026-10-25 02:50", None), "2026-10-25 01:59");
    assert_eq!(
        since("2026-07-25 02:50:00.10", None),
        "2026-07-25 02:50:00.10"
    );
    assert_eq!(since("2026-10-25T00:50:00Z", None), "2026-10-25T00:50:00Z");
    assert_eq!(
        since("2026-10-25T00:50:00Z", Some(&zone)),
        "2026-10-24T23:59:59Z"
    );
    assert_eq!(
        since("2026-07-25T00:50:00.5Z", Some(&zone)),
        "2026-07-25T00:50:00.5Z"
    );
}

fn cursor(start: &str, overlap: Option<Duration>) -> CursorRules {
    let told_by = CursorSource::Value(pomost_expression::Expression::compile(".at").unwrap());
    CursorRules {
        source: told_by,
        start: Some(start.to_owned()),
        overlap,
        step: None,
    }
}

#[test]
fn a_place_that_is_not_of_the_cursor_s_kind_is_nonsense() {
    let times = cursor("2020-01-01T00:00:00Z", None);
    for time in [
        "2026-01-01",
        "2026-01-01 10:00",
        "2026-01-01T10:00:00Z",
        "2026-01-01T10:00:00+02:00",
    ] {
        assert_eq!(check_start(&times, None, time), Ok(()), "{time}");
    }
    for nonsense in [
        "yesterday",
        "2026-02-30",
        "2026-13-01T00:00:00Z",
        "5",
        "",
        "-1d",
    ] {
        assert!(
            check_start(&times, None, nonsense)
                .unwrap_err()
                .contains("expected"),
            "{nonsense}"
        );
    }
    let numbers = cursor("0", None);
    assert_eq!(check_start(&numbers, Some("17"), "5"), Ok(()));
    let refused = check_start(&numbers, Some("17"), "2026-01-01").unwrap_err();
    assert!(
        refused.contains("a number") && refused.contains("17") && refused.contains("2026-01-01")
    );
    assert!(check_start(&numbers, None, "zzz").is_err());
    assert_eq!(check_start(&numbers, None, "2026-01-01"), Ok(()));
    assert_eq!(
        check_start(&numbers, Some("2026-01-05"), "2026-01-01"),
        Ok(())
    );
    assert!(check_start(&numbers, Some("2026-01-05"), "7").is_err());
}

#[test]
fn a_place_among_texts_may_be_any_where_nothing_is_reckoned_with_it() {
    assert_eq!(
        check_start(&cursor("", None), Some("rev-b"), "rev-a"),
        Ok(())
    );
    assert!(check_start(&cursor("", Some(Duration::from_secs(1))), None, "rev-a").is_err());
    assert!(check_start(&cursor("", None), None, &"x".repeat(MAX_BYTES + 1)).is_err());
}

#[test]
fn an_overlap_of_something_that_is_no_time_is_refused() {
    assert!(
        five_minutes_before("page-7")
            .unwrap_err()
            .contains("overlap")
    );
}
