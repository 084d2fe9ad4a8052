//! Changes of one record, transformed and loaded in any order and more than once, against what the
//! destination has in the end.

use std::collections::BTreeMap;

use pomost_models::Version;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

/// Stands for the record under its own key among the numbers of parts.
const WHOLE: u32 = u32::MAX;

fn version(number: usize) -> String {
    Version::new(number.to_string()).order_key()
}

/// A write that is published for one key, or the one that the ledger has of it.
#[derive(Debug, Clone, Copy)]
struct Write {
    version: usize,
    exists: bool,
}

/// The store and the queue of the loader, as far as one record goes.
#[derive(Default)]
struct Scene {
    shape: Option<RecordShape>,
    ledger: BTreeMap<u32, Write>,
    queue: Vec<(u32, Write)>,
}

impl Scene {
    fn known(&self) -> KnownShape {
        let Some(shape) = self.shape.clone() else {
            return KnownShape {
                whole_remains: self.ledger.contains_key(&WHOLE),
                ..KnownShape::default()
            };
        };
        let is_settled = |key: u32| {
            let write = self.ledger.get(&key);
            write.is_some_and(|write| !is_older(&version(write.version), &shape.version))
        };
        KnownShape {
            remaining_parts: (shape.current_parts()..shape.parts)
                .rfind(|part| !is_settled(*part))
                .map_or(shape.current_parts(), |last| last + 1),
            whole_remains: shape.whole && (shape.outputs == 1 || !is_settled(WHOLE)),
            shape: Some(shape),
        }
    }

    fn transform(&mut self, number: usize, outputs: ChangeOutputs) {
        let plan = PartsPlan::of(&self.known(), version(number), outputs);
        self.shape = Some(plan.newest.clone());
        let mut publish = |key, exists| {
            let version = number;
            self.queue.push((key, Write { version, exists }));
        };
        match outputs {
            ChangeOutputs::None => {}
            ChangeOutputs::Deletion => publish(WHOLE, false),
            ChangeOutputs::Whole if plan.keeps_whole() => publish(WHOLE, true),
            ChangeOutputs::Whole => {}
            ChangeOutputs::Parts(parts) => (0..parts)
                .filter(|part| plan.keeps_part(*part))
                .for_each(|part| publish(part, true)),
        }
        plan.gone_parts.for_each(|part| publish(part, false));
        if plan.gone_whole {
            publish(WHOLE, false);
        }
    }

    fn load(&mut self, place: &Index, is_delivered_again: bool) {
        if self.queue.is_empty() {
            return;
        }
        let place = place.index(self.queue.len());
        let (key, write) = match is_delivered_again {
            true => self.queue[place],
            false => self.queue.swap_remove(place),
        };
        let is_stale = self
            .ledger
            .get(&key)
            .is_some_and(|known| known.version > write.version);
        if !is_stale {
            self.ledger.insert(key, write);
        }
    }

    fn at_the_destination(&self) -> Vec<u32> {
        let existing = self.ledger.iter().filter(|(_, write)| write.exists);
        existing.map(|(key, _)| *key).collect()
    }
}

#[derive(Debug, Clone)]
enum Event {
    Transform(Index),
    Load(Index, bool),
}

fn outputs() -> impl Strategy<Value = ChangeOutputs> {
    prop_oneof![
        Just(ChangeOutputs::None),
        Just(ChangeOutputs::Deletion),
        Just(ChangeOutputs::Whole),
        (2..6_u32).prop_map(ChangeOutputs::Parts),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<Index>().prop_map(Event::Transform),
        (any::<Index>(), any::<bool>()).prop_map(|(place, again)| Event::Load(place, again)),
    ]
}

/// A case takes a fraction of a millisecond, and the rarest orders are the ones that matter.
fn many_cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(5000),
        ..config
    }
}

proptest! {
    #![proptest_config(many_cases())]

    #[test]
    fn the_destination_ends_with_what_the_newest_change_has(
        changes in vec(outputs(), 1..6),
        events in vec(event(), 0..40),
        order in vec(any::<Index>(), 6),
        rest in vec(any::<Index>(), 400),
    ) {
        let mut scene = Scene::default();
        for event in &events {
            match event {
                Event::Transform(change) => {
                    let change = change.index(changes.len());
                    scene.transform(change, changes[change]);
                }
                Event::Load(place, again) => scene.load(place, *again),
            }
        }
        // In the end each change was transformed at least once, and all that was published was
        // loaded.
        let mut left: Vec<usize> = (0..changes.len()).collect();
        for place in &order {
            if !left.is_empty() {
                let change = left.swap_remove(place.index(left.len()));
                scene.transform(change, changes[change]);
            }
        }
        let mut rest = rest.iter().cycle();
        while !scene.queue.is_empty() {
            scene.load(rest.next().unwrap(), false);
        }
        let mut there = scene.at_the_destination();
        match changes[changes.len() - 1] {
            ChangeOutputs::None => {
                there.retain(|key| *key != WHOLE);
                prop_assert!(there.is_empty(), "{there:?}");
            }
            ChangeOutputs::Deletion => prop_assert!(there.is_empty(), "{there:?}"),
            ChangeOutputs::Whole => prop_assert_eq!(there, [WHOLE]),
            ChangeOutputs::Parts(parts) => prop_assert_eq!(there, (0..parts).collect::<Vec<_>>()),
        }
        // Once all that went away is deleted, nothing is left to be deleted by the next change.
        let newest = changes.len() - 1;
        scene.transform(newest, changes[newest]);
        let deletions = scene.queue.iter().filter(|(_, write)| !write.exists).count();
        prop_assert_eq!(deletions, usize::from(changes[newest] == ChangeOutputs::Deletion));
    }
}

fn shape(number: usize, outputs: u32, parts: u32, whole: bool) -> RecordShape {
    RecordShape {
        version: version(number),
        outputs,
        parts,
        whole,
    }
}

#[test]
fn a_change_with_fewer_parts_deletes_those_that_went_away_and_those_that_were_never_deleted() {
    let known = KnownShape {
        shape: Some(shape(1, 3, 6, false)),
        remaining_parts: 5,
        whole_remains: false,
    };
    let plan = PartsPlan::of(&known, version(2), ChangeOutputs::Parts(2));
    assert_eq!(plan.gone_parts, 2..5);
    assert_eq!(plan.newest, shape(2, 2, 5, false));
}

#[test]
fn an_older_change_that_comes_late_keeps_what_the_newest_has() {
    let known = KnownShape {
        shape: Some(shape(2, 2, 2, false)),
        remaining_parts: 2,
        whole_remains: false,
    };
    let plan = PartsPlan::of(&known, version(1), ChangeOutputs::Parts(3));
    assert_eq!(
        (plan.keeps_part(1), plan.keeps_part(2), plan.keeps_whole()),
        (true, false, false)
    );
    assert!(plan.gone_parts.is_empty() && !plan.gone_whole);
    assert_eq!(plan.newest, shape(2, 2, 2, false));
}

#[test]
fn a_whole_record_that_comes_after_a_newer_change_was_filtered_is_deleted_when_it_is_split() {
    let mut known = KnownShape::default();
    PartsPlan::of(&known, version(2), ChangeOutputs::None).follow(&mut known);
    let late = PartsPlan::of(&known, version(1), ChangeOutputs::Whole);
    assert!(late.keeps_whole());
    late.follow(&mut known);
    assert!(PartsPlan::of(&known, version(3), ChangeOutputs::Parts(2)).gone_whole);
}

#[test]
fn a_record_that_comes_to_have_parts_is_deleted_under_its_own_key_once() {
    let mut known = KnownShape {
        whole_remains: true,
        ..KnownShape::default()
    };
    let plan = PartsPlan::of(&known, version(1), ChangeOutputs::Parts(2));
    assert!(plan.gone_whole && plan.newest.whole);
    plan.follow(&mut known);
    known.whole_remains = false;
    let plan = PartsPlan::of(&known, version(2), ChangeOutputs::Parts(2));
    assert!(!plan.gone_whole && !plan.newest.whole);
}
