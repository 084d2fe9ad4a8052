//! Compares what PostgreSQL decides in SQL with the pure functions, on random input.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pomost_models::{AttemptFingerprint, Outcome, SlotOutcomes, Version, version};
use pomost_store::{
    Claim, ClaimEntry, ClaimResult, ClaimToken, KnownRecord, Ledger, RateSlots, ReservedSlots,
    SlotPace,
    postgres::PostgresStore,
    rules::{
        ClaimAttempt, ClaimTimes, LedgerRow, claim_result, is_dead_letter_relevant,
        slot_pacing::{LEAST_PACE, SlotRow, WHOLE_PACE},
    },
};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{client, in_a_schema, url};

#[tokio::test]
async fn masks_are_merged_as_the_models_merge_them() {
    in_a_schema(|namespace| async move {
        PostgresStore::connect(&url(), None, &namespace)
            .await
            .unwrap();
        let client = client_in(&namespace).await;
        let sql = "SELECT merge_outcomes($1, $2)";
        let statement = client.prepare(sql).await.unwrap();
        let mut dice = Dice(1);
        for _ in 0..2000 {
            let (stored, added) = (mask(&mut dice), mask(&mut dice));
            let merged: String = client
                .query_one(&statement, &[&stored, &added])
                .await
                .unwrap()
                .get(0);
            assert_eq!(
                merged,
                SlotOutcomes::merge(&stored, &added),
                "{stored:?} and {added:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn versions_compare_as_the_models_compare_them() {
    in_a_schema(|namespace| async move {
        PostgresStore::connect(&url(), None, &namespace)
            .await
            .unwrap();
        let client = client_in(&namespace).await;
        let (moments, given) = (
            [Uuid::now_v7(), Uuid::now_v7()],
            ["9", "10", "-1.5", "2026-01-01T00:00:00Z", "b"],
        );
        let orders = moments.map(|moment| Version::of_extraction(moment, 7));
        let read = |text: &str| {
            orders
                .each_ref()
                .map(|order| Version::new(text).extracted(order))
        };
        let plain = given.map(Version::new);
        let all = given
            .into_iter()
            .flat_map(read)
            .chain(plain)
            .chain(orders.clone());
        let keys: Vec<String> = all.map(|version| version.order_key()).collect();
        for (name, compare) in [
            ("is_older", version::is_older as fn(&str, &str) -> bool),
            ("waits_for", version::waits_for),
        ] {
            let statement = client
                .prepare(&format!("SELECT {name}($1, $2)"))
                .await
                .unwrap();
            for one in &keys {
                for other in &keys {
                    let found: bool = client
                        .query_one(&statement, &[one, other])
                        .await
                        .unwrap()
                        .get(0);
                    assert_eq!(found, compare(one, other), "{name} {one:?} {other:?}");
                }
            }
        }
    })
    .await;
}

/// A mask of up to 8 slots, one in three of which has settled.
fn mask(dice: &mut Dice) -> String {
    let size = dice.roll(9);
    (0..size)
        .map(|_| match dice.roll(3) {
            0 => dice.pick(&Outcome::ALL).letter(),
            _ => SlotOutcomes::WAITING,
        })
        .collect()
}

#[tokio::test]
async fn claims_are_decided_as_the_rule_decides_them() {
    in_a_schema(|namespace| async move {
        let store = PostgresStore::connect(&url(), None, &namespace)
            .await
            .unwrap();
        let client = client_in(&namespace).await;
        let mut dice = Dice(2);
        for round in 0..12 {
            claim_random_rows(&store, &client, &format!("flow {round}"), &mut dice).await;
        }
    })
    .await;
}

/// Claims keys of a flow that have random rows, and claims them again.
async fn claim_random_rows(store: &PostgresStore, client: &Client, flow: &str, dice: &mut Dice) {
    let token = ClaimToken::generate();
    let in_flight_for = Duration::from_secs(*dice.pick(&[0, 600]));
    let now = Timestamp::now().as_microsecond();
    let times = ClaimTimes {
        now,
        in_flight_since: now - i64::try_from(in_flight_for.as_micros()).unwrap(),
    };
    let same_version_type = dice.roll(2) == 0;
    let (mut entries, mut expected) = (Vec::new(), Vec::new());
    client.batch_execute("BEGIN").await.unwrap();
    for number in 0..100 {
        let entry = ClaimEntry {
            key: format!("key {number}"),
            version: random_version(dice),
            hash: [*dice.pick(&[1, 2]); 16],
            fingerprint: Some(AttemptFingerprint([7; 16])),
        };
        let attempt = ClaimAttempt {
            token,
            version: entry.version.order_key(),
            hash: entry.hash,
            same_version_type,
        };
        let row = random_row(dice, token, now);
        let has_letter = dice.roll(4) == 0;
        insert_row(client, flow, &entry.key, &row).await;
        if has_letter {
            insert_letter(client, flow, &entry).await;
        }
        let result = claim_result(&row, &attempt, times);
        expected.push(
            match has_letter && is_dead_letter_relevant(&row, &attempt, &result) {
                true => (row, ClaimResult::Dead),
                false => (row, result),
            },
        );
        entries.push(entry);
    }
    client.batch_execute("COMMIT").await.unwrap();
    let claim = Claim {
        flow: flow.to_owned(),
        token,
        entries,
        same_version_type,
        latest_only: dice.roll(2) == 0,
        in_flight_for,
    };
    let hour = Duration::from_secs(3600);
    let results = store.claim(&claim, hour).await.unwrap();
    for ((entry, (row, expected)), result) in claim.entries.iter().zip(&expected).zip(&results) {
        assert_eq!(
            result, expected,
            "{entry:?} of {row:?} by {token:?}, {same_version_type}"
        );
    }
    assert_eq!(store.claim(&claim, hour).await.unwrap(), results);
}

/// Numbers, times, texts, orders of extraction, and numbers that were read at different times.
fn random_version(dice: &mut Dice) -> Version {
    let order = Version::of_extraction(Uuid::nil(), dice.roll(3));
    match dice.roll(3) {
        0 => order,
        1 => Version::new(*dice.pick(&["9", "10", "2026-01-01T00:00:00Z", "b"])),
        _ => Version::new(*dice.pick(&["9", "10", "b"])).extracted(&order),
    }
}

/// A row that is held by nobody, by this claim, or by another that lasts or has run out.
fn random_row(dice: &mut Dice, token: ClaimToken, now: i64) -> LedgerRow {
    const MINUTE: i64 = 60_000_000;
    let claim = match dice.roll(3) {
        0 => None,
        1 => Some(token),
        _ => Some(ClaimToken::generate()),
    };
    let times = [-120 * MINUTE, -MINUTE, 60 * MINUTE];
    LedgerRow {
        known: KnownRecord {
            id: (dice.roll(2) == 0).then(|| "id".to_owned()),
            etag: (dice.roll(2) == 0).then(|| "etag".to_owned()),
            incarnation: u32::try_from(dice.roll(3)).unwrap(),
        },
        version: (dice.roll(4) > 0).then(|| random_version(dice).order_key()),
        hash: (dice.roll(4) > 0).then(|| [*dice.pick(&[1, 2]); 16]),
        claim,
        claimed_until: claim.map(|_| now + dice.pick(&times)),
        in_doubt: dice.roll(3) == 0,
        attempted: (dice.roll(2) == 0).then_some([3; 16]),
        asked_at: (dice.roll(2) == 0).then(|| now + dice.pick(&times)),
    }
}

async fn insert_row(client: &Client, flow: &str, key: &str, row: &LedgerRow) {
    let time = |micros: i64| Timestamp::from_microsecond(micros).unwrap();
    let sql = "
        INSERT INTO ledger (flow, key, id, etag, incarnation, version, hash, claim, claimed_until, in_doubt,
            attempted, asked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    client
        .execute(
            sql,
            &[
                &flow,
                &key,
                &row.known.id,
                &row.known.etag,
                &i64::from(row.known.incarnation),
                &row.version,
                &row.hash.as_ref().map(|hash| &hash[..]),
                &row.claim.map(|token| token.0),
                &row.claimed_until.map(time),
                &row.in_doubt,
                &row.attempted.as_ref().map(|hash| &hash[..]),
                &row.asked_at.map(time),
            ],
        )
        .await
        .unwrap();
}

/// An open letter of the same version as the entry's.
async fn insert_letter(client: &Client, flow: &str, entry: &ClaimEntry) {
    let sql = "
        INSERT INTO dead_letters (id, flow, run, stage, reason, died_at, letter, key, version, fate)
        VALUES ($1, $2, $3, 'load', 'invalid', now(), '{}', $4, $5, $6)";
    let fingerprint = entry.fingerprint.as_ref().map(|it| &it.0[..]);
    let (id, version) = (Uuid::new_v4().to_string(), entry.version.order_key());
    client
        .execute(
            sql,
            &[&id, &flow, &Uuid::nil(), &entry.key, &version, &fingerprint],
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn slots_are_paced_as_the_rule_paces_them() {
    in_a_schema(|namespace| async move {
        let store = PostgresStore::connect(&url(), None, &namespace)
            .await
            .unwrap();
        let client = client_in(&namespace).await;
        let mut dice = Dice(3);
        for _ in 0..400 {
            let row = random_slot_row(&mut dice, now(&client).await);
            write_slot_row(&client, row).await;
            reserve_as_the_rule_does(&store, &client, row, &mut dice).await;
            halve_as_the_rule_does(&store, &client, &mut dice).await;
        }
    })
    .await;
}

fn random_slot_row(dice: &mut Dice, now: i64) -> SlotRow {
    const SECOND: i64 = 1_000_000;
    let jitter = |dice: &mut Dice| i64::try_from(dice.roll(500_000)).unwrap();
    let (early, late) = (jitter(dice), jitter(dice));
    let span = WHOLE_PACE - LEAST_PACE + 1;
    SlotRow {
        last_slot: now + dice.pick(&[-3600, -5, -1, 0, 1, 3600]) * SECOND + early,
        held_until: *dice.pick(&[0, now - SECOND, now + SECOND, now + 3600 * SECOND]),
        slowed_to: LEAST_PACE + i64::try_from(dice.roll(usize::try_from(span).unwrap())).unwrap(),
        slowed_at: *dice.pick(&[0, now - 60 * SECOND, now - late, now + 10 * SECOND]),
    }
}

/// The moment of a reservation is not known. Where slots were reserved it follows from what was
/// stored; else it lies between two looks at the clock, and neither number can be beyond those of
/// both.
async fn reserve_as_the_rule_does(
    store: &PostgresStore,
    client: &Client,
    row: SlotRow,
    dice: &mut Dice,
) {
    let pace = SlotPace {
        interval: Duration::from_micros(*dice.pick(&[
            1,
            999,
            333_333,
            3_600_000_000,
            100 * 86_400_000_000,
        ])),
        burst: u32::try_from(dice.roll(4)).unwrap(),
        ahead: Duration::from_millis(*dice.pick(&[0, 1_000, 3_600_000])),
    };
    let count = u32::try_from(dice.roll(5) + 1).unwrap();
    let before = now(client).await;
    let reserved = store.reserve_slots("shop", pace, count).await.unwrap();
    let after = now(client).await;
    let written = slot_row(client).await;
    let expected = |now| {
        let mut row = row;
        (row.reserve(pace, count, now), row)
    };
    let case = format!("{reserved:?} of {row:?} at {pace:?}, between {before} and {after}");
    if reserved.count > 0 {
        let at = moment_of(&reserved, &written);
        assert!((before..=after).contains(&at), "{at}: {case}");
        assert_eq!((reserved, written), expected(at), "{case}");
    } else {
        let ((first, _), (last, _)) = (expected(before), expected(after));
        assert!(first.count == 0 && written == row, "{first:?}: {case}");
        assert!(
            (last.first_in..=first.first_in).contains(&reserved.first_in)
                && (last.interval..=first.interval).contains(&reserved.interval),
            "{first:?} {last:?}: {case}"
        );
    }
}

/// The time of a reservation, from its last slot.
fn moment_of(reserved: &ReservedSlots, written: &SlotRow) -> i64 {
    let micros = |length: SignedDuration| i64::try_from(length.as_micros()).unwrap();
    let interval = i64::try_from(reserved.interval.as_micros()).unwrap();
    written.last_slot - i64::from(reserved.count - 1) * interval - micros(reserved.first_in)
}

async fn halve_as_the_rule_does(store: &PostgresStore, client: &Client, dice: &mut Dice) {
    let since = Duration::from_secs(*dice.pick(&[0, 30, 3600]));
    let (row, before) = (slot_row(client).await, now(client).await);
    store.halve_pace("shop", since).await.unwrap();
    let written = slot_row(client).await;
    let at = match written == row {
        true => before,
        false => written.slowed_at,
    };
    let mut expected = row;
    expected.halve_pace(since, at);
    assert_eq!(written, expected, "{since:?} at {at}");
}

/// The store's clock, in microseconds since 1970.
async fn now(client: &Client) -> i64 {
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn slot_row(client: &Client) -> SlotRow {
    let sql =
        "SELECT last_slot, held_until, slowed_to, slowed_at FROM rate_limits WHERE system = 'shop'";
    let row = client.query_one(sql, &[]).await.unwrap();
    SlotRow {
        last_slot: row.get(0),
        held_until: row.get(1),
        slowed_to: row.get(2),
        slowed_at: row.get(3),
    }
}

async fn write_slot_row(client: &Client, row: SlotRow) {
    let sql = "
        INSERT INTO rate_limits VALUES ('shop', $1, $2, $3, $4)
        ON CONFLICT (system) DO UPDATE SET last_slot = excluded.last_slot, held_until = excluded.held_until,
            slowed_to = excluded.slowed_to, slowed_at = excluded.slowed_at";
    client
        .execute(
            sql,
            &[
                &row.last_slot,
                &row.held_until,
                &row.slowed_to,
                &row.slowed_at,
            ],
        )
        .await
        .unwrap();
}

/// A connection whose tables are those of the schema.
async fn client_in(namespace: &str) -> Client {
    let client = client().await;
    let sql = format!("SET search_path = \"{namespace}\"");
    client.batch_execute(&sql).await.unwrap();
    client
}

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len())]
    }
}
