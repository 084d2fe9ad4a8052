//! What is to be tried.

use jiff::Timestamp;
use pomost_tests::Chance;

/// A kind of source, and what it does.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) paging: Paging,
    pub(super) clock: Clock,
    pub(super) trouble: Trouble,
    /// When its first rows were changed: a little before clocks are changed.
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
}

impl Trouble {
    pub(super) const ALL: [Trouble; 4] =
        [Trouble::None, Trouble::OddPages, Trouble::Circle, Trouble::MovingRows];
}

impl Case {
    /// The troubles take turns; all else is chance.
    pub(super) fn new(number: usize, chance: &mut Chance) -> Case {
        let trouble = Trouble::ALL[number % Trouble::ALL.len()];
        let paging = match trouble {
            Trouble::Circle => vec![Paging::Next, Paging::Link, Paging::Token],
            Trouble::MovingRows => vec![Paging::Page, Paging::Offset],
            _ => vec![
                Paging::Next,
                Paging::Link,
                Paging::Token,
                Paging::Page,
                Paging::PageWithLast,
                Paging::Offset,
            ],
        };
        let begins = ["2026-10-24T22:00:00Z", "2026-03-28T23:00:00Z"].map(|time| time.parse().unwrap());
        Case {
            paging: chance.pick(paging),
            clock: chance.pick(vec![Clock::Universal, Clock::WithOffset, Clock::OnTheWall]),
            trouble,
            begins: chance.pick(begins.to_vec()),
            rows: chance.below(24),
            size: 1 + chance.below(5),
            seed: chance.below(usize::MAX) as u64,
        }
    }

    pub(super) fn request(&self) -> &'static str {
        "GET /rows?since={$cursor}"
    }

    /// Rows that move may be missed wherever they stand, so only an overlap that reaches back to all of
    /// them catches up. Others come late by an hour, and clocks that are changed make another one of it.
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
        let overlap = if self.trouble == Trouble::MovingRows { "7d" } else { "2h" };
        format!(
            "paginate: {{ {paginate} }}\ncursor: {{ value: .meta.changed.at, start: \"{start}\", overlap: {overlap} }}"
        )
    }
}
