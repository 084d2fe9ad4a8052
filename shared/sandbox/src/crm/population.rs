//! Who is there and in what order: 32 bytes a customer, whatever a record takes as JSON.

use std::collections::BTreeSet;

use crate::generate::{Entry, FIRST_UPDATE, first_entry};

/// Where a customer stands in the order of the pages.
pub(crate) type Mark = (i64, u32);

/// The customers' states, and their positions sorted by `updated_at` and then by position.
#[derive(Debug)]
pub(crate) struct Population {
    entries: Vec<Entry>,
    order: Vec<Mark>,
    /// The latest `updated_at`: edits have times of their own making, so that they are the same
    /// on every day.
    clock: i64,
}

/// How long each edit comes after what was before it.
const SECONDS_BETWEEN_EDITS: i64 = 600;

impl Population {
    pub(crate) fn new(seed: u64, customers: u32) -> Population {
        let entries: Vec<Entry> = (0..customers)
            .map(|position| first_entry(seed, position))
            .collect();
        let mut order: Vec<Mark> = (0..)
            .zip(&entries)
            .map(|(at, entry)| (entry.updated_at, at))
            .collect();
        order.sort_unstable();
        let clock = order.last().map_or(FIRST_UPDATE, |last| last.0);
        Population {
            entries,
            order,
            clock,
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    /// How many customers changed at or after the second.
    pub(crate) fn count_since(&self, since: i64) -> usize {
        self.order.len() - self.order.partition_point(|mark| mark.0 < since)
    }

    /// Up to `limit` of the customers that changed at or after the second, without the first `skip`.
    pub(crate) fn since(&self, since: i64, skip: usize, limit: usize) -> Page {
        let first = self.order.partition_point(|mark| mark.0 < since);
        self.page(first.saturating_add(skip), limit)
    }

    /// Up to `limit` of the customers behind a mark.
    pub(crate) fn after(&self, mark: Mark, limit: usize) -> Page {
        self.page(self.order.partition_point(|at| *at <= mark), limit)
    }

    fn page(&self, first: usize, limit: usize) -> Page {
        let rest = self.order.get(first..).unwrap_or_default();
        let marks = &rest[..limit.min(rest.len())];
        let entries = marks
            .iter()
            .map(|&(_, at)| (at, self.entries[at as usize]))
            .collect();
        let next = marks.last().copied().filter(|_| marks.len() < rest.len());
        Page { entries, next }
    }

    /// Changes customers and moves them to the end of the order.
    pub(crate) fn update(&mut self, positions: &[u32], change: impl Fn(&mut Entry)) {
        let known = |at: &u32| (*at as usize) < self.entries.len();
        let positions: BTreeSet<u32> = positions.iter().copied().filter(known).collect();
        if positions.is_empty() {
            return;
        }
        self.order.retain(|(_, at)| !positions.contains(at));
        self.clock += SECONDS_BETWEEN_EDITS;
        for position in positions {
            change(&mut self.entries[position as usize]);
            self.append(position);
        }
    }

    /// Lets new customers come.
    pub(crate) fn add(&mut self, seed: u64, customers: u32) {
        let first = self.entries.len() as u32;
        self.clock += SECONDS_BETWEEN_EDITS;
        for position in first..first.saturating_add(customers) {
            self.entries.push(Entry {
                archived: false,
                ..first_entry(seed, position)
            });
            self.append(position);
        }
    }

    /// Two after each other share a second: readers have to live with that.
    fn append(&mut self, position: u32) {
        self.clock += i64::from(position.is_multiple_of(2));
        self.entries[position as usize].updated_at = self.clock;
        self.order.push((self.clock, position));
    }
}

/// Customers in order.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<(u32, Entry)>,
    /// The last one's mark, where there are more behind it.
    pub(crate) next: Option<Mark>,
}
