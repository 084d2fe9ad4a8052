//! Dates, times and time zones.

use crate::{gives, refusal};

#[test]
fn clocks_that_are_put_forward_and_back_are_read_as_rfc_5545_says() {
    let in_warsaw = |time: &str| {
        gives(&format!(
            r#""{time}" | datetime("%F %H:%M"; "Europe/Warsaw")"#
        ))
        .unwrap()
    };
    assert_eq!(in_warsaw("2026-03-29 01:59"), r#""2026-03-29T00:59:00Z""#);
    assert_eq!(in_warsaw("2026-03-29 02:30"), r#""2026-03-29T01:30:00Z""#);
    assert_eq!(in_warsaw("2026-03-29 03:00"), r#""2026-03-29T01:00:00Z""#);
    assert_eq!(in_warsaw("2026-10-25 02:30"), r#""2026-10-25T00:30:00Z""#);
    assert_eq!(in_warsaw("2026-10-25 03:00"), r#""2026-10-25T02:00:00Z""#);
}

#[test]
fn an_offset_in_the_text_goes_before_the_zone() {
    let cases = [
        (
            r#""24.11.2026 13:45 -0500" | datetime("%d.%m.%Y %H:%M %z"; "Europe/Warsaw")"#,
            "2026-11-24T18:45:00Z",
        ),
        (
            r#""1795521600" | datetime("%s"; "Europe/Warsaw")"#,
            "2026-11-24T12:00:00Z",
        ),
        (
            r#""24.11.2026" | datetime("%d.%m.%Y"; "Europe/Warsaw")"#,
            "2026-11-23T23:00:00Z",
        ),
        (
            r#""Nov 24, 2026 1:45 PM" | datetime("%b %d, %Y %I:%M %p"; "America/New_York")"#,
            "2026-11-24T18:45:00Z",
        ),
    ];
    for (source, instant) in cases {
        assert_eq!(gives(source), Ok(format!("\"{instant}\"")), "{source}");
    }
}

#[test]
fn dates_and_times_are_written_with_what_they_have() {
    let cases = [
        (
            r#""2026-11-24T10:05:00" | format_date("%d/%m/%y %H.%M")"#,
            "24/11/26 10.05",
        ),
        (
            r#""2026-11-24T10:05:00+05:30" | format_date("%F %T %:z")"#,
            "2026-11-24 10:05:00 +05:30",
        ),
        (
            r#""2026-11-24T10:05:00Z" | format_date("%F %T %z")"#,
            "2026-11-24 10:05:00 +0000",
        ),
        (
            r#""2026-11-24T10:05:00.120Z" | in_zone("Asia/Kolkata")"#,
            "2026-11-24T15:35:00.12+05:30",
        ),
        (
            r#""2026-11-24T10:05:00+01:00" | in_zone("UTC")"#,
            "2026-11-24T09:05:00+00:00",
        ),
        (
            r#""2026-11-24T10:05:00Z" | format_date("%s"; "UTC")"#,
            "1795514700",
        ),
    ];
    for (source, text) in cases {
        assert_eq!(gives(source), Ok(format!("\"{text}\"")), "{source}");
    }
}

#[test]
fn unix_time_goes_there_and_back_digit_for_digit() {
    for count in [
        "0",
        "-1",
        "1795521600",
        "1795521600.123456",
        "253402207200",
        "-62135596800",
    ] {
        assert_eq!(
            gives(&format!("{count} | from_unix | to_unix")).as_deref(),
            Ok(count),
            "{count}"
        );
        assert_eq!(
            gives(&format!("\"{count}\" | from_unix_ms | to_unix_ms")).as_deref(),
            Ok(count),
            "{count}"
        );
    }
    for count in ["253402300800", "-62135596801", "1e999999", "1e300", "-1e30"] {
        assert!(gives(&format!("{count} | from_unix")).is_err(), "{count}");
    }
}

#[test]
fn what_is_no_time_is_refused_without_its_value() {
    let cases = [
        (
            r#""31.02.2026" | date("%d.%m.%Y")"#,
            "expected a date in the format %d.%m.%Y",
        ),
        (
            r#""31.02.2026 10" | datetime("%d.%m.%Y %H"; "UTC")"#,
            "expected a date and time in the format %d.%m.%Y %H",
        ),
        (
            r#""2026" | datetime("%F %z")"#,
            "expected a date and time in the format %F %z",
        ),
        (
            r#""2026-11-24" | format_date("%H:%M")"#,
            "expected a date or time that has what is asked for by the format %H:%M",
        ),
        (
            r#""2026-11-24" | format_date("%d"; "UTC")"#,
            "expected an instant with its offset, such as 2026-11-24T12:00:00Z",
        ),
        (
            r#""2026-11-24T10:00:00" | in_zone("UTC")"#,
            "expected an instant with its offset, such as 2026-11-24T12:00:00Z",
        ),
        (
            r#""24.11.2026" | format_date("%d")"#,
            "expected an ISO date or time, such as 2026-11-24 or 2026-11-24T12:00:00Z",
        ),
        (
            r#""2026-11-24T10:00:00" | to_unix"#,
            "expected an instant with its offset, such as 2026-11-24T12:00:00Z",
        ),
        (
            r#""2026-11-24T10:00:00Z" | in_zone("Mars" + "/Base")"#,
            "expected the name of a time zone, such as Europe/Warsaw",
        ),
        (
            r#"1e20 | from_unix"#,
            "expected a time in seconds since 1970, in the years 1 to 9999",
        ),
        (
            r#""today" | from_unix"#,
            "expected text that is a number, such as 12.50",
        ),
    ];
    for (source, message) in cases {
        assert_eq!(refusal(source), message, "{source}");
    }
}

#[test]
fn the_program_has_time_zones_of_its_own() {
    let zones = jiff::tz::TimeZoneDatabase::bundled();
    assert!(zones.get("Europe/Warsaw").is_ok() && !jiff::tz::db().is_definitively_empty());
}

#[test]
fn times_are_written_and_names_read_as_in_jqs_locale() {
    let written =
        gives(r#"1425599621 | strftime("%c|%x|%X|%r|%Q|%%c|%")"#.replace("|%\"", "\"").as_str());
    let expected = r#""Thu Mar  5 23:53:41 2015|03/05/15|23:53:41|11:53:41 PM|%Q|%c""#;
    assert_eq!(written.as_deref(), Ok(expected));
    for (text, format) in [
        ("5 March 2015", "%d %b %Y"),
        ("05 Mar 2015", "%d %B %Y"),
        ("Thursday 05 Mar 2015", "%a %d %b %Y"),
        ("Thu 05 March 2015", "%a %d %b %Y"),
    ] {
        let parsed = gives(&format!("{text:?} | strptime({format:?})"));
        assert_eq!(parsed.as_deref(), Ok("[2015,2,5,0,0,0,4,63]"), "{text}");
    }
}
