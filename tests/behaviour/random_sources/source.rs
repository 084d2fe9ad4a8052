//! A source with trouble in its pages.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use fastrand::Rng;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};

use super::case::{ClockStyle, PagingStyle, SourceCase, SourceTrouble};
use crate::support::{FakeServer, ReceivedRequest, Reply};

/// `GET /rows?since={time}&p={page}`.
#[derive(Clone)]
pub(super) struct RandomSource(Arc<Mutex<SourceTable>>);

struct SourceTable {
    case: SourceCase,
    chance: Rng,
    rows: BTreeMap<String, SourceRow>,
    /// Number of rows that were ever made.
    made: usize,
    /// The pages of the listing that is being read, where they are not places in the list.
    pages: Vec<Vec<Value>>,
    /// True when the trouble is over.
    quiet: bool,
    circled: bool,
}

struct SourceRow {
    changed: Timestamp,
    /// Number of changes of the row.
    changes: u32,
}

impl RandomSource {
    pub(super) fn new(case: &SourceCase) -> RandomSource {
        let chance = Rng::with_seed(case.seed);
        let (rows, pages) = Default::default();
        let mut table = SourceTable {
            case: case.clone(),
            chance,
            rows,
            made: 0,
            pages,
            quiet: false,
            circled: false,
        };
        for _ in 0..case.rows {
            // So few moments that many rows share one, on both sides of a page's edge.
            let changed = case.begins + (10 * table.chance.i64(0..30)).minutes();
            table.insert(changed);
        }
        RandomSource(Arc::new(Mutex::new(table)))
    }

    pub(super) async fn serve(&self) -> FakeServer {
        let table = self.0.clone();
        FakeServer::start(move |request| table.lock().unwrap().answer(request)).await
    }

    /// Ends the trouble. Some rows are committed late, beside newer ones, and some are changed,
    /// except where rows were changed while they were read.
    pub(super) fn change_between_runs(&self) {
        let mut table = self.0.lock().unwrap();
        table.quiet = true;
        if table.case.trouble == SourceTrouble::ChangingRows {
            return;
        }
        let newest = table.newest();
        for _ in 0..table.chance.usize(0..6) {
            let late = table.chance.i64(-60..60);
            table.insert(newest + late.minutes());
        }
        for _ in 0..table.chance.usize(0..3) {
            table.change();
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.lock().unwrap().rows.contains_key(key)
    }

    /// All rows, sorted by their keys.
    pub(super) fn rows(&self) -> Vec<Value> {
        let table = self.0.lock().unwrap();
        table
            .rows
            .iter()
            .map(|(key, row)| table.shown(key, row))
            .collect()
    }

    pub(super) fn led_in_a_circle(&self) -> bool {
        self.0.lock().unwrap().circled
    }
}

impl SourceTable {
    fn answer(&mut self, request: &ReceivedRequest) -> Reply {
        let since = &request.query["since"];
        let page = request
            .query
            .get("p")
            .map(|page| page.parse::<usize>().unwrap());
        match self.case.paging {
            PagingStyle::Offset => self.at_places(since, page.unwrap_or_default()),
            PagingStyle::Page if self.case.trouble.is_of_places() => {
                self.at_places(since, page.unwrap_or_default() * self.case.size)
            }
            _ => self.page(since, page.unwrap_or_default()),
        }
    }

    /// The rows at some places of the current list.
    fn at_places(&mut self, since: &str, skip: usize) -> Reply {
        match self.case.trouble {
            SourceTrouble::MovingRows if skip > 0 && !self.quiet => self.move_rows(),
            SourceTrouble::ChangingRows if skip > 0 && !self.quiet => self.change_around(skip),
            _ => {}
        }
        let short = self.case.paging == PagingStyle::Offset && self.has_odd_pages();
        let size = if short {
            self.chance.usize(1..=self.case.size)
        } else {
            self.case.size
        };
        Reply::rows(
            self.listed(since)
                .into_iter()
                .skip(skip)
                .take(size)
                .collect::<Vec<_>>(),
        )
    }

    /// A page of a listing that was made for its first page.
    fn page(&mut self, since: &str, number: usize) -> Reply {
        if number == 0 {
            self.make_pages(since);
        }
        let rows = self.pages.get(number).cloned().unwrap_or_default();
        let last = number + 1 >= self.pages.len();
        let next = (!last).then(|| self.next(number));
        match (self.case.paging, next) {
            (PagingStyle::Link, Some(next)) => {
                let link = format!(
                    "<?since={}&p={next}>; rel=\"next\"",
                    since.replace('+', "%2B")
                );
                Reply::rows(rows).with("link", link)
            }
            (PagingStyle::Next, Some(next)) => {
                let next = format!("?since={}&p={next}", since.replace('+', "%2B"));
                Reply::json(200, &json!({ "rows": rows, "next": next }))
            }
            (PagingStyle::Token, next) => Reply::json(200, &json!({ "rows": rows, "next": next })),
            _ => Reply::json(200, &json!({ "rows": rows, "last": last })),
        }
    }

    /// The number of the page after this one, or of one that was read already.
    fn next(&mut self, number: usize) -> usize {
        let circles = self.case.trouble == SourceTrouble::Circle
            && !self.quiet
            && number > 0
            && self.chance.bool();
        if !circles {
            return number + 1;
        }
        self.circled = true;
        self.chance.usize(1..=number)
    }

    /// Divides the listing into pages. Where no page says that it is the last one, the first page
    /// without rows is.
    fn make_pages(&mut self, since: &str) {
        let (mut rows, odd) = (self.listed(since), self.has_odd_pages());
        self.chance.shuffle(&mut rows);
        let least = usize::from(!odd || self.case.paging == PagingStyle::Page);
        self.pages.clear();
        while !rows.is_empty() {
            let size = if odd {
                self.chance.usize(least..=self.case.size)
            } else {
                self.case.size
            };
            self.pages
                .push(rows.drain(..size.min(rows.len())).collect());
        }
    }

    fn has_odd_pages(&self) -> bool {
        self.case.trouble == SourceTrouble::OddPages
    }

    /// The rows that were changed since a time, in the order of their changes, or of their keys
    /// where rows change while they are read.
    fn listed(&self, since: &str) -> Vec<Value> {
        let mut rows: Vec<(&Timestamp, Value)> = self
            .rows
            .iter()
            .map(|(key, row)| (&row.changed, self.shown(key, row)))
            .collect();
        if self.case.trouble != SourceTrouble::ChangingRows {
            rows.sort_by_key(|(changed, _)| *changed);
        }
        let at = |row: &Value| row["meta"]["changed"]["at"].as_str().unwrap().to_owned();
        let is_listed = |changed: &Timestamp, row: &Value| match self.case.clock {
            ClockStyle::OnTheWall => *at(row) >= *since,
            _ => *changed >= since.parse().unwrap(),
        };
        rows.into_iter()
            .filter(|(changed, row)| is_listed(changed, row))
            .map(|(_, row)| row)
            .collect()
    }

    fn shown(&self, key: &str, row: &SourceRow) -> Value {
        let there = row
            .changed
            .to_zoned(TimeZone::get("Europe/Warsaw").unwrap());
        let at = match self.case.clock {
            ClockStyle::Universal => row.changed.to_string(),
            ClockStyle::WithOffset => there.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            ClockStyle::OnTheWall => there.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        };
        json!({ "key": key, "changes": row.changes, "meta": { "changed": { "at": at } } })
    }

    fn move_rows(&mut self) {
        match self.chance.u8(0..4) {
            0 => self.insert(self.case.begins),
            1 => self.change(),
            2 => {
                let gone = self.some_key();
                self.rows.retain(|key, _| Some(key) != gone.as_ref());
            }
            _ => {}
        }
    }

    /// Changes a row that was read already, and then one that was not: the latter is the newest.
    fn change_around(&mut self, read: usize) {
        let (before, after) = (
            self.chance.usize(0..read),
            self.chance.usize(read..read + self.case.size),
        );
        for place in [before, after] {
            if let Some(row) = self.rows.values_mut().nth(place) {
                (row.changed, row.changes) = (Timestamp::now(), row.changes + 1);
            }
        }
    }

    fn insert(&mut self, changed: Timestamp) {
        self.made += 1;
        self.rows.insert(
            format!("{:03}", self.made),
            SourceRow {
                changed,
                changes: 0,
            },
        );
    }

    /// Changes a row, which makes it the newest.
    fn change(&mut self) {
        let newest = self.newest();
        let Some(row) = self.some_key().and_then(|key| self.rows.get_mut(&key)) else {
            return;
        };
        (row.changed, row.changes) = (newest + 10.minutes(), row.changes + 1);
    }

    fn some_key(&mut self) -> Option<String> {
        let keys: Vec<&String> = self.rows.keys().collect();
        self.chance.choice(keys).cloned()
    }

    fn newest(&self) -> Timestamp {
        self.rows
            .values()
            .map(|row| row.changed)
            .max()
            .unwrap_or(self.case.begins)
    }
}
