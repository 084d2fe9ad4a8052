//! Regexes as jq's documentation has them, compiled once.
//!
//! Most are searched for by automata, in a time that grows with the text as it grows with the regex. What no
//! automaton does (looking around, references back to groups, the flags `n` and `l`) is searched for by going
//! back and forth, which is bounded by the text's length and by the number of ways that are tried.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    ops::Range,
    rc::Rc,
};

use fancy_regex::RegexInput;
use regex_syntax::{
    ast::{self, Ast},
    hir::{Class, Hir, HirKind, translate::TranslatorBuilder},
};

use super::{flags::Flags, syntax::translated};
use crate::budget::{Bound, MAX_TRIES};

/// How many regexes a thread keeps, and how large they may be together, in bytes. A mapping has a few; more come
/// from records, and are let go.
const KEPT: usize = 256;
const KEPT_SIZE: usize = 64 << 20;

/// How much an automaton may remember of the texts it went through, in bytes.
const REMEMBERED: usize = 512 << 10;

/// How long the text of a regex may be, in bytes: to read it takes a hundred times as much memory.
pub(super) const LONGEST: usize = 64 << 10;

/// How large a compiled regex may be, in bytes, about.
const LARGEST: usize = 64 << 20;

/// How large parts of a regex that looks around may be, each, and how many steps it may have.
const LARGEST_PART: usize = 4 << 20;
const MOST_STEPS: usize = 100_000;

/// How deep the groups of a regex may be nested.
const MAX_NESTING: u32 = 100;

/// What a character's class takes when it is compiled, for each of its ranges.
const BYTES_OF_A_RANGE: usize = 64;

/// How often a search may go back, by the length of the text. The worst searches go through all of the text
/// each time, so that the product is what takes the time.
const TRIES: [(usize, usize); 3] = [
    (1 << 10, MAX_TRIES),
    (8 << 10, MAX_TRIES / 8),
    (64 << 10, MAX_TRIES / 4),
];

thread_local! {
    static COMPILED: RefCell<Kept> = RefCell::default();
}

/// The groups of a match, the whole first; `None` where a group took no part.
pub(super) type Groups = Vec<Option<Range<usize>>>;

/// A regex, and how large it is.
pub(super) struct Pattern {
    engine: Engine,
    pub(super) names: Vec<Option<String>>,
    /// The characters and classes of it, repetitions written out: as many places may be held against each
    /// byte of a text.
    pub(super) places: usize,
    /// What it takes in memory, about.
    pub(super) size: usize,
}

enum Engine {
    Automaton(regex::Regex),
    Backtracking(Box<Backtracking>),
    Never,
}

/// A regex, compiled once for each class of texts' lengths.
struct Backtracking {
    regexes: [OnceCell<fancy_regex::Regex>; TRIES.len()],
    flags: Flags,
    source: String,
}

/// The regexes that a thread keeps.
#[derive(Default)]
struct Kept {
    patterns: HashMap<Flags, HashMap<String, Rc<Pattern>>>,
    count: usize,
    size: usize,
}

impl Pattern {
    /// A regex that this thread has compiled before.
    pub(super) fn kept(source: &str, flags: Flags) -> Option<Rc<Pattern>> {
        COMPILED.with_borrow(|kept| kept.patterns.get(&flags)?.get(source).cloned())
    }

    /// Compiles a regex, and keeps it.
    pub(super) fn compile_and_keep(source: &str, flags: Flags) -> Result<Rc<Pattern>, String> {
        let pattern = Rc::new(Pattern::compile(source, flags)?);
        COMPILED.with_borrow_mut(|kept| {
            if kept.count >= KEPT || kept.size + pattern.size > KEPT_SIZE {
                *kept = Kept::default();
            }
            kept.count += 1;
            kept.size += pattern.size;
            kept.patterns
                .entry(flags)
                .or_default()
                .insert(source.to_owned(), pattern.clone());
        });
        Ok(pattern)
    }

    pub(super) fn compile(source: &str, flags: Flags) -> Result<Pattern, String> {
        if source.len() > LONGEST {
            return Err(format!("invalid regex: longer than {} KiB", LONGEST >> 10));
        }
        let source = &*translated(source, flags.ignore_whitespace);
        match automaton_of(source, flags) {
            Some(hir) if !flags.backtracks() => Pattern::automaton(source, flags, &hir),
            _ => Pattern::backtracking(source, flags),
        }
    }

    fn automaton(source: &str, flags: Flags, hir: &Hir) -> Result<Pattern, String> {
        let Weight { places, size } = Weight::of(hir);
        if size > LARGEST {
            return Err(format!(
                "invalid regex: larger than {} MiB when compiled",
                LARGEST >> 20
            ));
        }
        let regex = regex::RegexBuilder::new(source)
            .case_insensitive(flags.case_insensitive)
            .dot_matches_new_line(flags.dot_matches_new_line)
            .ignore_whitespace(flags.ignore_whitespace)
            .nest_limit(MAX_NESTING)
            .size_limit(2 * LARGEST)
            .dfa_size_limit(REMEMBERED)
            .build()
            .map_err(|error| format!("invalid regex: {error}"))?;
        let names = regex
            .capture_names()
            .map(|name| name.map(str::to_owned))
            .collect();
        Ok(Pattern {
            engine: Engine::Automaton(regex),
            names,
            places,
            size,
        })
    }

    fn backtracking(source: &str, flags: Flags) -> Result<Pattern, String> {
        let (places, size) = (source.len(), LARGEST_PART / 4);
        let regex = match backtracking(source, flags, TRIES[0].1) {
            Ok(regex) => regex,
            // With the flag that ignores empty matches, it has none.
            Err(fancy_regex::Error::CompileError(error))
                if matches!(*error, fancy_regex::CompileError::PatternCanNeverMatch) =>
            {
                return Ok(Pattern {
                    engine: Engine::Never,
                    names: vec![None],
                    places,
                    size,
                });
            }
            Err(error) => return Err(format!("invalid regex: {error}")),
        };
        let names = regex
            .capture_names()
            .map(|name| name.map(str::to_owned))
            .collect();
        let regexes = [regex.into(), OnceCell::new(), OnceCell::new()];
        let engine = Engine::Backtracking(Box::new(Backtracking {
            regexes,
            flags,
            source: source.to_owned(),
        }));
        Ok(Pattern {
            engine,
            names,
            places,
            size,
        })
    }

    /// Whether a text has a match.
    pub(super) fn is_in(&self, text: &str) -> Result<bool, Bound> {
        match &self.engine {
            Engine::Automaton(regex) => Ok(regex.is_match(text)),
            _ => Ok(self.find(text, 0)?.is_some()),
        }
    }

    /// The first match from a byte on.
    pub(super) fn find(&self, text: &str, from: usize) -> Result<Option<Groups>, Bound> {
        match &self.engine {
            Engine::Automaton(regex) if self.names.len() == 1 => Ok(regex
                .find_at(text, from)
                .map(|found| vec![Some(found.range())])),
            Engine::Automaton(regex) => {
                let captures = regex.captures_at(text, from);
                Ok(captures.map(|groups| {
                    groups
                        .iter()
                        .map(|group| group.map(|group| group.range()))
                        .collect()
                }))
            }
            Engine::Backtracking(backtracking) => {
                let found = backtracking
                    .within_tries(text)?
                    .captures_input(RegexInput::new(text).from_pos(from))
                    .map_err(|_| Bound::Tries)?;
                Ok(found.map(|groups| {
                    groups
                        .iter()
                        .map(|group| group.map(|group| group.range()))
                        .collect()
                }))
            }
            Engine::Never => Ok(None),
        }
    }
}

impl Backtracking {
    /// The regex that goes back as often as the text's length allows.
    fn within_tries(&self, text: &str) -> Result<&fancy_regex::Regex, Bound> {
        let class = TRIES
            .iter()
            .position(|(length, _)| text.len() <= *length)
            .ok_or(Bound::Searched)?;
        if let Some(regex) = self.regexes[class].get() {
            return Ok(regex);
        }
        // What was compiled once is compiled again.
        let regex =
            backtracking(&self.source, self.flags, TRIES[class].1).map_err(|_| Bound::Tries)?;
        Ok(self.regexes[class].get_or_init(|| regex))
    }
}

fn backtracking(
    source: &str,
    flags: Flags,
    tries: usize,
) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(source)
        .case_insensitive(flags.case_insensitive)
        .dot_matches_new_line(flags.dot_matches_new_line)
        .ignore_whitespace(flags.ignore_whitespace)
        .find_not_empty(flags.not_empty)
        .leftmost_longest(flags.longest)
        .backtrack_limit(tries)
        .delegate_size_limit(LARGEST_PART)
        .delegate_dfa_size_limit(REMEMBERED)
        .max_prog_size(MOST_STEPS)
        .build()
}

/// The regex, where it is one for automata.
fn automaton_of(source: &str, flags: Flags) -> Option<Hir> {
    let mut parser = ast::parse::ParserBuilder::new();
    let parser = parser
        .ignore_whitespace(flags.ignore_whitespace)
        .nest_limit(MAX_NESTING);
    let ast = parser.build().parse(source).ok()?;
    ast::visit(&ast, Possessive).ok()?;
    let mut translator = TranslatorBuilder::new();
    let translator = translator
        .case_insensitive(flags.case_insensitive)
        .dot_matches_new_line(flags.dot_matches_new_line);
    translator.build().translate(source, &ast).ok()
}

/// Looks for repetitions with a `+` behind them, such as `a++`: jq's give back nothing of what they took. Others
/// that are repeated, such as `a{2}{3}`, are automata's.
struct Possessive;

impl ast::Visitor for Possessive {
    type Output = ();
    type Err = ();

    fn finish(self) -> Result<(), ()> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
        match ast {
            Ast::Repetition(outer)
                if outer.op.kind == ast::RepetitionKind::OneOrMore
                    && matches!(*outer.ast, Ast::Repetition(_)) =>
            {
                Err(())
            }
            _ => Ok(()),
        }
    }
}

/// What a regex takes, in places and in bytes.
#[derive(Clone, Copy)]
struct Weight {
    places: usize,
    size: usize,
}

impl Weight {
    fn of(hir: &Hir) -> Weight {
        let one = |places: usize, ranges: usize| Weight {
            places,
            size: ranges.saturating_mul(BYTES_OF_A_RANGE),
        };
        match hir.kind() {
            HirKind::Empty => one(0, 0),
            HirKind::Look(_) => one(1, 1),
            HirKind::Literal(literal) => one(literal.0.len(), literal.0.len()),
            HirKind::Class(Class::Unicode(class)) => one(1, class.ranges().len()),
            HirKind::Class(Class::Bytes(class)) => one(1, class.ranges().len()),
            HirKind::Capture(capture) => Weight::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                let times = repetition
                    .max
                    .unwrap_or(repetition.min.saturating_add(1))
                    .max(1);
                Weight::of(&repetition.sub).times(times as usize)
            }
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().map(Weight::of).fold(one(0, 0), Weight::plus)
            }
        }
    }

    fn times(self, times: usize) -> Weight {
        Weight {
            places: self.places.saturating_mul(times),
            size: self.size.saturating_mul(times),
        }
    }

    fn plus(self, other: Weight) -> Weight {
        Weight {
            places: self.places.saturating_add(other.places),
            size: self.size.saturating_add(other.size),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn regexes_are_compiled_once_and_not_kept_without_bound() {
        let flags = Flags::default();
        let first = Pattern::compile_and_keep("a+", flags).unwrap();
        assert!(Rc::ptr_eq(&first, &Pattern::kept("a+", flags).unwrap()));
        let case = Flags {
            case_insensitive: true,
            ..Flags::default()
        };
        assert!(Pattern::kept("a+", case).is_none());
        for number in 0..3 * KEPT {
            Pattern::compile_and_keep(&format!("a{number}"), flags).unwrap();
        }
        let kept = COMPILED.with_borrow(|kept| kept.patterns[&flags].len());
        assert!((1..=KEPT).contains(&kept), "{kept}");
        assert!(Pattern::compile("(", flags).is_err());
    }

    #[test]
    fn a_regex_is_weighed_with_its_repetitions_written_out() {
        let weight = |source: &str| {
            let pattern = Pattern::compile(source, Flags::default()).unwrap();
            (pattern.places, pattern.size)
        };
        assert_eq!(weight("abc").0, 3);
        assert_eq!(weight("(a[bc]){10}").0, 20);
        assert!(weight("\\w").1 > 100 * weight("[a-z]").1);
        assert!(Pattern::compile("((\\w{100}){100}){100}", Flags::default()).is_err());
    }
}
