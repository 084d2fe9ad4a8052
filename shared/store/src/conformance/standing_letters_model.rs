//! Records that die, are read again, replayed and discarded, compared with a model of them.

use std::{collections::BTreeMap, sync::Arc};

use pomost_models::{
    AttemptFingerprint, DeadLetter, Operation, Outcome, Record, RunId, SlotOutcomes, Stage, Version,
};
use serde_json::value::RawValue;

use super::{
    dead_letters::{any, letter},
    support::{Dice, MINUTE, Worker, known, manual, read},
};
use crate::{BatchSettlement, ClaimResult, Replay, SettledState, Store};

const KEYS: [&str; 3] = ["a", "b", "c"];
const CONTENTS: usize = 3;
const FLOWS: usize = 2;

/// A source, a destination that refuses some contents, and the expected state of each key.
struct LetterModel {
    store: Arc<dyn Store>,
    dice: Dice,
    /// The content that the source has for each key.
    source: [u8; KEYS.len()],
    /// The version of the flow's files.
    flow: usize,
    refused: [bool; CONTENTS],
    keys: BTreeMap<&'static str, ExpectedKey>,
    /// Grows with each row that is read.
    row: usize,
}

/// The expected state of a key.
#[derive(Debug, Default)]
struct ExpectedKey {
    /// The content that the destination has.
    applied: Option<u8>,
    /// The content and the flow of the standing letter, and `true` where it is open.
    standing: Option<(u8, usize, bool)>,
}

/// Runs, changes, replays and discards come in random order, and workers die between any two steps.
pub async fn letters_are_as_a_model_of_them_whatever_happens(store: Arc<dyn Store>) {
    let keys = KEYS.map(|key| (key, ExpectedKey::default())).into();
    let (source, refused) = ([0, 1, 2], [false, true, true]);
    let mut model = LetterModel {
        store,
        dice: Dice(7),
        source,
        flow: 0,
        refused,
        keys,
        row: 0,
    };
    for _ in 0..150 {
        match model.dice.roll(8) {
            0 => model.source[model.dice.roll(KEYS.len())] = model.content(),
            1 => model.flow = model.dice.roll(FLOWS),
            2 => model.refused[model.dice.roll(CONTENTS)] ^= true,
            3 => model.replay_one().await,
            4 => model.discard_one().await,
            _ => model.run().await,
        }
        model.check().await;
    }
}

impl LetterModel {
    fn content(&mut self) -> u8 {
        u8::try_from(self.dice.roll(CONTENTS)).unwrap()
    }

    /// Reads the whole source. Each record has the outcome that the model expects.
    async fn run(&mut self) {
        let run = self.store.request_run(&manual("customers")).await.unwrap();
        let mut expected = BTreeMap::new();
        for (slot, key) in (0..).zip(KEYS) {
            self.row += 1;
            let record = record(slot, key, self.source[slot as usize], self.row);
            *expected
                .entry(self.deliver(run, &record, true).await)
                .or_insert(0) += 1;
        }
        let counts = self.store.run(run).await.unwrap().unwrap().counts;
        assert_eq!((counts.waiting, counts.outcomes), (0, expected));
    }

    /// A worker loads a record and may die before it acknowledges the message, which is then
    /// redelivered.
    async fn deliver(&mut self, run: RunId, record: &Record, heeds_letters: bool) -> Outcome {
        let outcome = self.load(run, record, heeds_letters).await;
        if self.dice.roll(3) == 0 && heeds_letters {
            let again = self.load(run, record, true).await;
            let is_dead = [outcome, again].map(|outcome| outcome == Outcome::Dead);
            assert_eq!(is_dead[0], is_dead[1]);
        }
        outcome
    }

    async fn load(&mut self, run: RunId, record: &Record, heeds_letters: bool) -> Outcome {
        let (content, flow) = (content_of(record), self.flow);
        let mut key = std::mem::take(self.key(record));
        let is_dead = key
            .standing
            .is_some_and(|(died, under, _)| heeds_letters && (died, under) == (content, flow));
        let outcome = match (
            key.applied == Some(content),
            is_dead,
            self.refused[content as usize],
        ) {
            (true, ..) => Outcome::Unchanged,
            (_, true, _) | (.., true) => Outcome::Dead,
            _ if key.applied.is_none() => Outcome::Created,
            _ => Outcome::Updated,
        };
        let worker = Worker::new(&self.store);
        let mut claim = worker.claim_of(&[(&record.key, "", content)]);
        claim.entries[0].version = record.version.clone();
        claim.entries[0].fingerprint =
            heeds_letters.then(|| AttemptFingerprint::of(&flow.to_string(), Stage::Load, record));
        let result = self.store.claim(&claim, MINUTE).await.unwrap().remove(0);
        match (outcome, &result) {
            (Outcome::Unchanged, ClaimResult::Unchanged) => {}
            (Outcome::Dead, ClaimResult::Dead) => assert!(is_dead),
            (_, ClaimResult::Claimed(_)) => assert!(!is_dead),
            wrong => panic!("{wrong:?} of {record:?}, {key:?}"),
        }
        let settled = match outcome {
            Outcome::Dead => SettledState::Released,
            _ => SettledState::Applied {
                known: known(&record.key),
                version: record.version.clone(),
                hash: [content; 16],
            },
        };
        let mut outcomes = SlotOutcomes::waiting(0);
        if outcome != Outcome::Dead || is_dead {
            outcomes.settle(record.slot, outcome);
        }
        let claimed: &[_] = if result.known().is_some() {
            &[(record.key.as_str(), settled)]
        } else {
            &[]
        };
        let settlement = BatchSettlement {
            run,
            outcomes,
            ..worker.settlement(claimed)
        };
        self.store.settle(&settlement).await.unwrap();
        match outcome {
            Outcome::Dead if is_dead => {}
            Outcome::Dead => {
                self.archive(run, record).await;
                key.standing = Some((content, flow, true));
            }
            _ => {
                self.store
                    .supersede_dead_letters("customers", &[&record.key])
                    .await
                    .unwrap();
                (key.applied, key.standing) = (Some(content), None);
            }
        }
        *self.key(record) = key;
        outcome
    }

    fn key(&mut self, record: &Record) -> &mut ExpectedKey {
        self.keys.get_mut(record.key.as_str()).unwrap()
    }

    async fn archive(&self, run: RunId, record: &Record) {
        let letter = DeadLetter {
            record: Some(record.clone()),
            flow_version: Some(self.flow.to_string()),
            newest_alone: true,
            ..letter(run, "1", record.slot)
        };
        let id = DeadLetter::id_of(run, "1", letter.stage, record);
        self.store
            .archive_dead_letters(&[DeadLetter { id, ..letter }])
            .await
            .unwrap();
    }

    async fn any_open(&mut self) -> Option<DeadLetter> {
        let mut open = self.store.dead_letters(&any()).await.unwrap();
        (!open.is_empty()).then(|| open.remove(self.dice.roll(open.len())))
    }

    /// Replays an open letter. Its record is tried whatever died before, and gets another letter if
    /// it dies again.
    async fn replay_one(&mut self) {
        let Some(letter) = self.any_open().await else {
            return;
        };
        let replay = Replay {
            run: RunId::generate(),
            flow: "customers".into(),
            stage: letter.stage,
        };
        let ids = [letter.id.clone()];
        assert_eq!(self.store.begin_replay(&replay, &ids).await.unwrap(), 1);
        self.keys.get_mut(letter.key()).unwrap().standing = None;
        let record = Record {
            slot: 0,
            ..letter.record.unwrap()
        };
        self.deliver(replay.run, &record, false).await;
        self.store
            .end_replay(replay.run, &[("1".to_owned(), 1)], &ids)
            .await
            .unwrap();
    }

    async fn discard_one(&mut self) {
        let Some(letter) = self.any_open().await else {
            return;
        };
        assert_eq!(
            self.store
                .discard_dead_letters(std::slice::from_ref(&letter.id))
                .await
                .unwrap(),
            1
        );
        let standing = &mut self.keys.get_mut(letter.key()).unwrap().standing;
        standing.as_mut().unwrap().2 = false;
    }

    /// Compares the open letters with those of the model.
    async fn check(&self) {
        let open = self.store.dead_letters(&any()).await.unwrap();
        let mut open: Vec<_> = open
            .iter()
            .map(|letter| (letter.key(), letter.fate().unwrap()))
            .collect::<Vec<_>>();
        open.sort_by_key(|(key, _)| *key);
        let open_letter =
            |(key, ExpectedKey { standing, .. }): (&&'static str, &ExpectedKey)| match *standing {
                Some((content, flow, true)) => Some((
                    *key,
                    AttemptFingerprint::of(
                        &flow.to_string(),
                        Stage::Load,
                        &record(0, key, content, 0),
                    ),
                )),
                _ => None,
            };
        assert_eq!(
            open,
            self.keys.iter().filter_map(open_letter).collect::<Vec<_>>()
        );
    }
}

fn record(slot: u32, key: &str, content: u8, row: usize) -> Record {
    let data = RawValue::from_string(content.to_string()).unwrap();
    let version = Version::new(read("1", row));
    Record {
        slot,
        key: key.to_owned(),
        version,
        op: Operation::Upsert,
        data,
        source: None,
    }
}

fn content_of(record: &Record) -> u8 {
    record.data.get().parse().unwrap()
}
