//! The customers and their order: 32 bytes a customer, whatever the size of a record as JSON.

use std::collections::BTreeSet;

use crate::generate::{CustomerState, FIRST_UPDATE, first_entry};

/// The place of a customer in the order of the pages: the time of its change, and its position.
pub(crate) type PageMark = (i64, u32);

/// The customers' states, and their positions sorted by `updated_at` and then by position.
#[derive(Debug)]
pub(crate) struct CustomerPopulation {
    entries: Vec<CustomerState>,
    order: Vec<PageMark>,
    /// The latest `updated_at`: edits have times of their own making, so that they are the same
    /// on every day.
    clock: i64,
}

/// Seconds between one edit and the change before it.
const SECONDS_BETWEEN_EDITS: i64 = 600;

impl CustomerPopulation {
    pub(crate) fn new(seed: u64, customers: u32) -> CustomerPopulation {
        let entries: Vec<CustomerState> = (0..customers)
            .map(|position| first_entry(seed, position))
            .collect();
        let mut order: Vec<PageMark> = (0..)
            .zip(&entries)
            .map(|(at, entry)| (entry.updated_at, at))
            .collect();
        order.sort_unstable();
        let clock = order.last().map_or(FIRST_UPDATE, |last| last.0);
        CustomerPopulation {
            entries,
            order,
            clock,
        }
    }

    pub(crate) fn entries(&self) -> Vec<CustomerState> {
        self.entries.clone()
    }

    /// Number of customers that changed at or after the second.
    pub(crate) fn count_since(&self, since: i64) -> usize {
        self.order.len() - self.order.partition_point(|mark| mark.0 < since)
    }

    /// A page of up to `limit` customers that changed at or after the second, without the first
    /// `skip`.
    pub(crate) fn since(&self, since: i64, skip: usize, limit: usize) -> CustomerPage {
        let first = self.order.partition_point(|mark| mark.0 < since);
        self.page(first.saturating_add(skip), limit)
    }

    /// A page of up to `limit` customers behind a mark.
    pub(crate) fn after(&self, mark: PageMark, limit: usize) -> CustomerPage {
        self.page(self.order.partition_point(|at| *at <= mark), limit)
    }

    fn page(&self, first: usize, limit: usize) -> CustomerPage {
        let rest = self.order.get(first..).unwrap_or_default();
        let marks = &rest[..limit.min(rest.len())];
        let entries = marks
            .iter()
            .map(|&(_, at)| (at, self.entries[at as usize]))
            .collect();
        let next = marks.last().copied().filter(|_| marks.len() < rest.len());
        CustomerPage { entries, next }
    }

    /// Changes customers and moves them to the end of the order.
    pub(crate) fn update(&mut self, positions: &[u32], change: impl Fn(&mut CustomerState)) {
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

    /// Adds new customers.
    pub(crate) fn add(&mut self, seed: u64, customers: u32) {
        let first = self.entries.len() as u32;
        self.clock += SECONDS_BETWEEN_EDITS;
        for position in first..first.saturating_add(customers) {
            self.entries.push(CustomerState {
                archived: false,
                ..first_entry(seed, position)
            });
            self.append(position);
        }
    }

    /// Adds a customer to the end of the order. Two in a row share a second, which readers have to
    /// cope with.
    fn append(&mut self, position: u32) {
        self.clock += i64::from(position.is_multiple_of(2));
        self.entries[position as usize].updated_at = self.clock;
        self.order.push((self.clock, position));
    }
}

/// One page of customers, in order.
#[derive(Debug)]
pub(crate) struct CustomerPage {
    pub(crate) entries: Vec<(u32, CustomerState)>,
    /// The mark of the last customer, where there are more behind it.
    pub(crate) next: Option<PageMark>,
}
