//! What is to be tried.

use jiff::{Timestamp, ToSpan};
use pomost_tests::SeededRandom;

/// A kind of source, and what it does.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) paging: Paging,
    pub(super) clock: Clock,
    pub(super) trouble: Trouble,
    /// When its first rows were changed: a little before clocks are changed, or a little ago.
    pub(super) begins: Timestamp,
    /// How many rows it has at first.
    pub(super) rows: usize,
    /// How many of them stand on a full page.
    pub(super) size: usize,
    /// What it does by chance.
    pub(super) seed: u64,
}

/// How pages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paging {
    Next,
    Link,
    Token,
    /// By number, up to the page without rows.
    Page,
    /// By number, up to the page that says so.
    PageWithLast,
    Offset,
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// In UTC.
    Universal,
    /// With the offset of the day, so that their order is not that of their text.
    WithOffset,
    /// As the clocks on the wall show them, and compared as text.
    OnTheWall,
}

/// What goes wrong in the first run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing but rows that come late.
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

impl Trouble {
    pub(super) const ALL: [Trouble; 5] = [
        Trouble::None,
        Trouble::OddPages,
        Trouble::Circle,
        Trouble::MovingRows,
        Trouble::ChangingRows,
    ];

    /// Whether it happens to pages that go by the places of what is there now.
    pub(super) fn is_of_places(self) -> bool {
        matches!(self, Trouble::MovingRows | Trouble::ChangingRows)
    }
}

impl Case {
    /// The troubles take turns; all else is chance.
    pub(super) fn new(number: usize, chance: &mut SeededRandom) -> Case {
        let trouble = Trouble::ALL[number % Trouble::ALL.len()];
        let paging = match trouble {
            Trouble::Circle => vec![Paging::Next, Paging::Link, Paging::Token],
            _ if trouble.is_of_places() => vec![Paging::Page, Paging::Offset],
            _ => vec![
                Paging::Next,
                Paging::Link,
                Paging::Token,
                Paging::Page,
                Paging::PageWithLast,
                Paging::Offset,
            ],
        };
        let begins = match trouble {
            Trouble::ChangingRows => vec![Timestamp::now() - 6.hours()],
            _ => ["2026-10-24T22:00:00Z", "2026-03-28T23:00:00Z"]
                .map(|time| time.parse().unwrap())
                .into(),
        };
        let mut clocks = vec![Clock::Universal, Clock::WithOffset];
        // Nobody can tell whether a time on a wall somewhere is later than the run's beginning.
        if trouble != Trouble::ChangingRows {
            clocks.push(Clock::OnTheWall);
        }
        Case {
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

    /// Rows that move may be missed wherever they stand, so only an overlap that reaches back to all of
    /// them catches up. Those that only change need none. Others come late by an hour, and clocks that are
    /// changed make another one of it.
    pub(super) fn extract(&self) -> String {
        let paginate = match self.paging {
            Paging::Next => "next: .next",
            Paging::Link => "link: next",
            Paging::Token => "token: { value: .next, param: p }",
            Paging::Page => "page: { param: p, start: 0 }",
            Paging::PageWithLast => "page: { param: p, start: 0, last: .last }",
            Paging::Offset => "offset: { param: p }",
        };
        let start = match self.clock {
            Clock::OnTheWall => "2026-01-01 00:00:00",
            _ => "2026-01-01T00:00:00Z",
        };
        let overlap = match self.trouble {
            Trouble::MovingRows => ", overlap: 7d",
            Trouble::ChangingRows => "",
            _ => ", overlap: 2h",
        };
        format!(
            "paginate: {{ {paginate} }}\ncursor: {{ value: .meta.changed.at, start: \"{start}\"{overlap} }}"
        )
    }
}
