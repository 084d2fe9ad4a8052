#![allow(clippy::unwrap_used)]
use super::*;

fn in_order(versions: &[&str]) -> bool {
    let keys: Vec<String> = versions
        .iter()
        .map(|text| Version::new(*text).order_key())
        .collect();
    keys.windows(2).all(|pair| pair[0] < pair[1])
}

#[test]
fn numbers_compare_as_numbers_whatever_their_length() {
    assert!(in_order(&[
        "-10.5",
        "-10",
        "-9",
        "-0.5",
        "0",
        "0.25",
        "9",
        "9.5",
        "10",
        "9007199254740993"
    ]));
}

#[test]
fn the_same_number_written_twice_is_the_same_version() {
    assert_eq!(
        Version::new("1.10").order_key(),
        Version::new("01.1").order_key()
    );
    assert_eq!(
        Version::new("-0").order_key(),
        Version::new("0").order_key()
    );
}

#[test]
fn a_number_with_an_exponent_is_the_number_that_it_stands_for() {
    let same = |one: &str, other: &str| {
        assert_eq!(
            Version::new(one).order_key(),
            Version::new(other).order_key(),
            "{one} and {other}"
        );
    };
    same("1.7647E9", "1764700000");
    same("1.764700000123456789e+9", "1764700000.123456789");
    same("-25E-1", "-2.5");
    same("25e-4", "0.0025");
    same("0E9", "0");
    assert!(in_order(&[
        "-1E3",
        "-9.99e2",
        "9.99E-5",
        "999999999",
        "1.0E9",
        "1000000001",
        "1e308"
    ]));
    assert_eq!(
        Version::of_type("1.7647E9", VersionType::Number),
        Some(Version::new("1.7647E9"))
    );
}

#[test]
fn what_is_no_number_for_its_exponent_is_text() {
    for text in [
        "1e",
        "e9",
        "1e9e9",
        "1e1.5",
        "1e-",
        "1e 9",
        "1e1001",
        "1e99999999999",
    ] {
        assert_eq!(Version::of_type(text, VersionType::Number), None, "{text}");
    }
}

#[test]
fn times_compare_as_instants_whatever_their_zone() {
    assert!(in_order(&[
        "2026-01-01T00:30:00+02:00",
        "2025-12-31T22:30:00.5Z",
        "2025-12-31T23:00:00Z",
    ]));
}

#[test]
fn anything_else_compares_as_text() {
    assert!(in_order(&[
        "2026-01-01 10:00:00",
        "2026-01-01 10:00:01",
        "rev-b"
    ]));
}

#[test]
fn a_declared_type_decides_how_versions_compare() {
    let of = |text, expected| Version::of_type(text, expected).map(|version| version.order_key());
    assert!(of("9", VersionType::Number) < of("10", VersionType::Number));
    assert!(of("10", VersionType::Text) < of("9", VersionType::Text));
    assert_eq!(of("2026-01-01", VersionType::Time), None);
    assert_eq!(of("10a", VersionType::Number), None);
}

#[test]
fn a_version_of_declared_text_is_the_same_after_it_was_stored_and_shows_as_it_was_written() {
    let version = Version::of_type("10", VersionType::Text).unwrap();
    assert_eq!(Version::new(version.source_text().unwrap()), version);
    assert_eq!(version.as_str(), "10");
    assert_eq!(version.order_key(), "s10");
}

#[test]
fn only_versions_of_one_type_compare() {
    let compare = |one: &str, other: &str| Version::new(one).compares_with(&Version::new(other));
    assert!(
        compare("1", "2.5")
            && compare("a", "")
            && compare("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00")
    );
    assert!(
        !compare("1", "a")
            && !compare("1", "2026-01-01T00:00:00Z")
            && !compare("2026-01-01", "2026-01-01T00:00:00Z")
    );
}

#[test]
fn without_a_version_the_order_of_extraction_decides() {
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let earlier = Version::of_extraction(first, 9).order_key();
    assert!(earlier < Version::of_extraction(first, 10).order_key());
    assert!(earlier < Version::of_extraction(second, 0).order_key());
}
fn moments() -> [Uuid; 2] {
    [Uuid::now_v7(), Uuid::now_v7()]
}

fn read(text: &str, moment: Uuid, row: usize) -> Version {
    Version::new(text).with_extraction_order(&Version::of_extraction(moment, row))
}

#[test]
fn of_equal_versions_the_one_read_later_is_newer() {
    let [first, second] = moments();
    for text in ["10", "-1.5", "2026-01-01T00:00:00Z", "rev"] {
        assert!(
            read(text, first, 0).is_older(&read(text, first, 1)),
            "{text}"
        );
        assert!(
            read(text, first, 9).is_older(&read(text, second, 0)),
            "{text}"
        );
        assert!(Version::new(text).is_older(&read(text, first, 0)), "{text}");
        assert!(
            !read(text, first, 0).is_older(&read(text, first, 0)),
            "{text}"
        );
    }
}

#[test]
fn a_version_decides_before_the_order_of_extraction() {
    let [first, second] = moments();
    let versions = [
        "-1.25",
        "-1.2",
        "1",
        "1.5",
        "10",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.1Z",
    ];
    for pair in versions.windows(2) {
        let (older, newer) = (read(pair[0], second, 0), read(pair[1], first, 0));
        assert_eq!(
            older.is_older(&newer),
            older.compares_with(&newer),
            "{pair:?}"
        );
    }
    assert!(read("a", second, 0).is_older(&read("ab", first, 0)));
}

#[test]
fn versions_that_are_ordered_as_the_same_are_told_apart_by_when_they_were_read() {
    let [first, second] = moments();
    let hour = |text: &str, moment| {
        let version = Version::new(text).ordered_as("2026-10-25 02:00");
        version.with_extraction_order(&Version::of_extraction(moment, 0))
    };
    let (earlier, later) = (
        hour("2026-10-25 02:50:00", first),
        hour("2026-10-25 02:10:00", second),
    );
    assert!(earlier.is_older(&later) && !later.is_older(&earlier));
    assert!(read("2026-10-25 01:59:59.9", second, 0).is_older(&earlier));
    assert!(later.is_older(&read("2026-10-25 03:00", first, 0)));
    assert_eq!(
        (later.as_str(), earlier.as_str()),
        ("2026-10-25 02:10:00", "2026-10-25 02:50:00")
    );
    assert_eq!(
        Version::new(later.source_text().unwrap()).order_key(),
        "s2026-10-25 02:00"
    );
}

#[test]
fn an_order_of_extraction_compares_with_every_version_that_says_when_it_was_read() {
    let [first, second] = moments();
    for text in ["10", "2026-01-01T00:00:00Z", "rev"] {
        let (version, deletion) = (read(text, first, 0), Version::of_extraction(second, 0));
        assert!(version.is_older(&deletion) && !deletion.is_older(&version));
        assert!(Version::of_extraction(first, 0).is_older(&read(text, second, 0)));
        assert!(
            !Version::new(text).compares_with(&deletion) && !Version::new(text).is_older(&deletion)
        );
    }
}

#[test]
fn changes_that_were_read_in_another_order_than_that_of_their_versions_wait_in_no_circle() {
    let [first, second] = moments();
    let keys = [
        read("2", first, 0),
        Version::of_extraction(first, 1),
        read("1", second, 0),
    ]
    .map(|v| v.order_key());
    let [newer, deletion, late] = &keys;
    assert!(waits_for(newer, late) && waits_for(deletion, newer) && !waits_for(late, deletion));
}

#[test]
fn a_version_shows_as_it_was_written_and_travels_with_its_order_of_extraction() {
    let version = read("10", Uuid::now_v7(), 7);
    assert_eq!(
        (version.as_str(), version.source_text()),
        ("10", Some("10"))
    );
    let message = serde_json::to_string(&version).unwrap();
    assert_eq!(serde_json::from_str::<Version>(&message).unwrap(), version);
}

#[test]
fn text_that_looks_like_a_number_is_ordered_as_one_and_says_that_it_is_text() {
    let [first, second] = moments();
    let text = |text: &str, moment| {
        Version::new(text)
            .marked_as_text()
            .with_extraction_order(&Version::of_extraction(moment, 0))
    };
    assert!(
        text("9", second).is_older(&read("10", first, 0))
            && read("9", second, 0).is_older(&text("10", first))
    );
    assert!(
        text("10", first).is_older(&text("10", second))
            && text("10", first).is_older(&read("10.0", second, 0))
    );
    let version = text("10", first);
    assert_eq!(
        (version.as_str(), version.source_text()),
        ("10", Some("10"))
    );
    assert!(
        version.is_text()
            && Version::new("10")
                .marked_as_text()
                .marked_as_text()
                .is_text()
            && !read("10", first, 0).is_text()
    );
    assert!(Version::of_extraction(first, 0).is_text());
    assert!(Version::of_type("10", VersionType::Text).is_some_and(|version| version.is_text()));
    // A record that is made anew of a dead letter takes the place of the one that died.
    assert_eq!(
        Version::new("10")
            .marked_as_text()
            .with_extraction_order(&version),
        version
    );
    assert_eq!(
        Version::new("10").with_extraction_order(&version),
        read("10", first, 0)
    );
}

#[test]
fn readers_that_do_not_know_of_text_order_it_the_same() {
    let [first, _] = moments();
    let version = Version::new("10")
        .marked_as_text()
        .with_extraction_order(&Version::of_extraction(first, 0));
    let stored = serde_json::to_value(&version).unwrap();
    let (given, order) = stored
        .as_str()
        .unwrap()
        .split_once(order::EXTRACTED)
        .unwrap();
    assert_eq!(
        version.order_key(),
        format!(
            "{}{}{order}",
            Version::new(given).order_key(),
            order::EXTRACTED
        )
    );
}

#[test]
fn a_version_that_is_read_with_another_is_that_version_read_then() {
    let [first, later] = [1, 2].map(|row| Version::of_extraction(uuid::Uuid::nil(), row));
    let given = [
        Version::new("1.50"),
        Version::new("7").marked_as_text(),
        Version::new("b").ordered_as("a"),
    ];
    for version in given {
        let [read_first, read_later] =
            [&first, &later].map(|order| version.clone().with_extraction_order(order));
        assert_eq!(
            read_first
                .clone()
                .with_order_of_key(&read_later.order_key()),
            read_later
        );
        assert_eq!(
            read_first.clone().with_order_of_key(&later.order_key()),
            read_later
        );
        assert_eq!(read_first.clone().with_order_of_key("n1"), read_first);
    }
    assert_eq!(first.with_order_of_key(&later.order_key()), later);
}
