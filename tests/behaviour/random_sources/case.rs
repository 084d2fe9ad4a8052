//! The random sources that are tried.

use jiff::{Timestamp, ToSpan};
use pomost_tests::SeededRandom;

/// A source with its paging, its clock and its trouble.
#[derive(Debug, Clone)]
pub(super) struct SourceCase {
    pub(super) paging: PagingStyle,
    pub(super) clock: ClockStyle,
    pub(super) trouble: SourceTrouble,
    /// The time of the first changes: a little before clocks are put back or forward, or some hours
    /// ago.
    pub(super) begins: Timestamp,
    /// Number of rows at first.
    pub(super) rows: usize,
    /// Number of rows on a full page.
    pub(super) size: usize,
    /// The seed of its random behaviour.
    pub(super) seed: u64,
}

/// The way in which pages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PagingStyle {
    Next,
    Link,
    Token,
    /// By number, up to a page without rows.
    Page,
    /// By number, up to the page that says that it is the last one.
    PageWithLast,
    Offset,
}

/// The way in which times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockStyle {
    /// In UTC.
    Universal,
    /// With the offset of the day, so that their order is not that of their text.
    WithOffset,
    /// As local times, which are compared as text.
    OnTheWall,
}

/// The trouble in the first run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceTrouble {
    /// Only rows that come late.
    None,
    /// Pages are short or empty, the last one may be full.
    OddPages,
    /// A page leads back to one before it, or to itself.
    Circle,
    /// Rows are inserted, changed and deleted while pages are read that go by their places.
    MovingRows,
    /// Rows are changed while pages are read that are in no order of change.
    ChangingRows,
}

impl SourceTrouble {
    pub(super) const ALL: [SourceTrouble; 5] = [
        SourceTrouble::None,
        SourceTrouble::OddPages,
        SourceTrouble::Circle,
        SourceTrouble::MovingRows,
        SourceTrouble::ChangingRows,
    ];

    /// True where the pages are places in the list of the current rows.
    pub(super) fn is_of_places(self) -> bool {
        matches!(
            self,
            SourceTrouble::MovingRows | SourceTrouble::ChangingRows
        )
    }
}

impl SourceCase {
    /// A case whose trouble follows from its number; everything else is random.
    pub(super) fn new(number: usize, chance: &mut SeededRandom) -> SourceCase {
        let trouble = SourceTrouble::ALL[number % SourceTrouble::ALL.len()];
        let paging = match trouble {
            SourceTrouble::Circle => vec![PagingStyle::Next, PagingStyle::Link, PagingStyle::Token],
            _ if trouble.is_of_places() => vec![PagingStyle::Page, PagingStyle::Offset],
            _ => vec![
                PagingStyle::Next,
                PagingStyle::Link,
                PagingStyle::Token,
                PagingStyle::Page,
                PagingStyle::PageWithLast,
                PagingStyle::Offset,
            ],
        };
        let begins = match trouble {
            SourceTrouble::ChangingRows => vec![Timestamp::now() - 6.hours()],
            _ => ["2026-10-24T22:00:00Z", "2026-03-28T23:00:00Z"]
                .map(|time| time.parse().unwrap())
                .into(),
        };
        let mut clocks = vec![ClockStyle::Universal, ClockStyle::WithOffset];
        // Nobody can tell whether a time on a wall somewhere is later than the run's beginning.
        if trouble != SourceTrouble::ChangingRows {
            clocks.push(ClockStyle::OnTheWall);
        }
        SourceCase {
            paging: chance.pick(paging),
            clock: chance.pick(clocks),
            trouble,
            begins: chance.pick(begins),
            rows: chance.below(24),
            size: 1 + chance.below(5),
            seed: chance.below(usize::MAX) as u64,
        }
    }

    pub(super) fn request(&self) -> &'static str {
        "GET /rows?since={$cursor}"
    }

    /// Rows that move may be missed wherever they stand, so only an overlap that reaches back to
    /// all of them catches up. Those that only change need none. Others come late by an hour, and
    /// clocks that are changed make another one of it.
    pub(super) fn extract(&self) -> String {
        let paginate = match self.paging {
            PagingStyle::Next => "next: .next",
            PagingStyle::Link => "link: next",
            PagingStyle::Token => "token: { value: .next, param: p }",
            PagingStyle::Page => "page: { param: p, start: 0 }",
            PagingStyle::PageWithLast => "page: { param: p, start: 0, last: .last }",
            PagingStyle::Offset => "offset: { param: p }",
        };
        let start = match self.clock {
            ClockStyle::OnTheWall => "2026-01-01 00:00:00",
            _ => "2026-01-01T00:00:00Z",
        };
        let overlap = match self.trouble {
            SourceTrouble::MovingRows => ", overlap: 7d",
            SourceTrouble::ChangingRows => "",
            _ => ", overlap: 2h",
        };
        format!(
            "paginate: {{ {paginate} }}\ncursor: {{ value: .meta.changed.at, start: \"{start}\"{overlap} }}"
        )
    }
}
