//! Regexes as jq's documentation has them, compiled once.
//!
//! Most are searched for by automata, in a time that grows with the text and with the regex.
//! Searches that no automaton can do (look-around, back references, the flags `n` and `l`) go back
//! and forth; their number of tries is bounded by the length of the text.

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

use super::{flags::RegexFlags, syntax::translated};
use crate::budget::{EvaluationBound, MAX_TRIES};

/// Number of regexes that a thread keeps, and their size together, in bytes. A mapping has a few;
/// others come from records, and are dropped.
const CACHED_REGEXES: usize = 256;
const CACHED_BYTES: usize = 64 << 20;

/// Size of an automaton's cache, in bytes.
const AUTOMATON_CACHE_BYTES: usize = 512 << 10;

/// Size of the longest text of a regex, in bytes: reading it takes a hundred times as much memory.
pub(super) const MAX_REGEX_BYTES: usize = 64 << 10;

/// Approximate size of the largest compiled regex, in bytes.
const MAX_COMPILED_BYTES: usize = 64 << 20;

/// Size of the largest part of a regex with look-around, in bytes, and the number of its steps.
const MAX_PART_BYTES: usize = 4 << 20;
const MAX_VM_STEPS: usize = 100_000;

/// Number of levels to which the groups of a regex may be nested.
const MAX_NESTING: u32 = 100;

/// Size of one range of a class of characters while it is compiled, in bytes.
const BYTES_OF_A_RANGE: usize = 64;

/// Number of times that a search may go back, by the length of the text. The worst searches go
/// through all of the text each time, so it is the product that takes the time.
const TRIES_BY_LENGTH: [(usize, usize); 3] = [
    (1 << 10, MAX_TRIES),
    (8 << 10, MAX_TRIES / 8),
    (64 << 10, MAX_TRIES / 4),
];

thread_local! {
    static COMPILED: RefCell<RegexCache> = RefCell::default();
}

/// The groups of a match, the whole first; `None` where a group took no part.
pub(super) type MatchGroups = Vec<Option<Range<usize>>>;

/// A compiled regex and its size.
pub(super) struct CompiledRegex {
    engine: RegexEngine,
    pub(super) names: Vec<Option<String>>,
    /// Number of the characters and classes of it, with repetitions written out: each byte of a
    /// text may be compared with as many places.
    pub(super) places: usize,
    /// Approximate size in memory, in bytes.
    pub(super) size: usize,
}

enum RegexEngine {
    Automaton(regex::Regex),
    BacktrackingRegex(Box<BacktrackingRegex>),
    Never,
}

/// A regex that needs to go back, compiled once for each class of lengths of texts.
struct BacktrackingRegex {
    regexes: [OnceCell<fancy_regex::Regex>; TRIES_BY_LENGTH.len()],
    flags: RegexFlags,
    source: String,
}

/// The regexes that a thread keeps, by source and flags.
#[derive(Default)]
struct RegexCache {
    patterns: HashMap<RegexFlags, HashMap<String, Rc<CompiledRegex>>>,
    count: usize,
    size: usize,
}

impl CompiledRegex {
    /// A regex that this thread has compiled before.
    pub(super) fn kept(source: &str, flags: RegexFlags) -> Option<Rc<CompiledRegex>> {
        COMPILED.with_borrow(|kept| kept.patterns.get(&flags)?.get(source).cloned())
    }

    /// Compiles a regex, and keeps it.
    pub(super) fn compile_and_keep(
        source: &str,
        flags: RegexFlags,
    ) -> Result<Rc<CompiledRegex>, String> {
        let pattern = Rc::new(CompiledRegex::compile(source, flags)?);
        COMPILED.with_borrow_mut(|kept| {
            if kept.count >= CACHED_REGEXES || kept.size + pattern.size > CACHED_BYTES {
                *kept = RegexCache::default();
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

    pub(super) fn compile(source: &str, flags: RegexFlags) -> Result<CompiledRegex, String> {
        if source.len() > MAX_REGEX_BYTES {
            return Err(format!(
                "invalid regex: longer than {} KiB",
                MAX_REGEX_BYTES >> 10
            ));
        }
        let source = &*translated(source, flags.ignore_whitespace);
        match automaton_of(source, flags) {
            Some(hir) if !flags.backtracks() => CompiledRegex::automaton(source, flags, &hir),
            _ => CompiledRegex::backtracking(source, flags),
        }
    }

    fn automaton(source: &str, flags: RegexFlags, hir: &Hir) -> Result<CompiledRegex, String> {
        let RegexWeight { places, size } = RegexWeight::of(hir);
        if size > MAX_COMPILED_BYTES {
            return Err(format!(
                "invalid regex: larger than {} MiB when compiled",
                MAX_COMPILED_BYTES >> 20
            ));
        }
        let regex = regex::RegexBuilder::new(source)
            .case_insensitive(flags.case_insensitive)
            .dot_matches_new_line(flags.dot_matches_new_line)
            .ignore_whitespace(flags.ignore_whitespace)
            .nest_limit(MAX_NESTING)
            .size_limit(2 * MAX_COMPILED_BYTES)
            .dfa_size_limit(AUTOMATON_CACHE_BYTES)
            .build()
            .map_err(|error| format!("invalid regex: {error}"))?;
        let names = regex
            .capture_names()
            .map(|name| name.map(str::to_owned))
            .collect();
        Ok(CompiledRegex {
            engine: RegexEngine::Automaton(regex),
            names,
            places,
            size,
        })
    }

    fn backtracking(source: &str, flags: RegexFlags) -> Result<CompiledRegex, String> {
        let (places, size) = (source.len(), MAX_PART_BYTES / 4);
        let regex = match backtracking(source, flags, TRIES_BY_LENGTH[0].1) {
            Ok(regex) => regex,
            // With the flag that ignores empty matches, it has none.
            Err(fancy_regex::Error::CompileError(error))
                if matches!(*error, fancy_regex::CompileError::PatternCanNeverMatch) =>
            {
                return Ok(CompiledRegex {
                    engine: RegexEngine::Never,
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
        let engine = RegexEngine::BacktrackingRegex(Box::new(BacktrackingRegex {
            regexes,
            flags,
            source: source.to_owned(),
        }));
        Ok(CompiledRegex {
            engine,
            names,
            places,
            size,
        })
    }

    /// True where a text has a match.
    pub(super) fn is_in(&self, text: &str) -> Result<bool, EvaluationBound> {
        match &self.engine {
            RegexEngine::Automaton(regex) => Ok(regex.is_match(text)),
            _ => Ok(self.find(text, 0)?.is_some()),
        }
    }

    /// The first match from a byte on.
    pub(super) fn find(
        &self,
        text: &str,
        from: usize,
    ) -> Result<Option<MatchGroups>, EvaluationBound> {
        match &self.engine {
            RegexEngine::Automaton(regex) if self.names.len() == 1 => Ok(regex
                .find_at(text, from)
                .map(|found| vec![Some(found.range())])),
            RegexEngine::Automaton(regex) => {
                let captures = regex.captures_at(text, from);
                Ok(captures.map(|groups| {
                    groups
                        .iter()
                        .map(|group| group.map(|group| group.range()))
                        .collect()
                }))
            }
            RegexEngine::BacktrackingRegex(backtracking) => {
                let found = backtracking
                    .within_tries(text)?
                    .captures_input(RegexInput::new(text).from_pos(from))
                    .map_err(|_| EvaluationBound::Tries)?;
                Ok(found.map(|groups| {
                    groups
                        .iter()
                        .map(|group| group.map(|group| group.range()))
                        .collect()
                }))
            }
            RegexEngine::Never => Ok(None),
        }
    }
}

impl BacktrackingRegex {
    /// The regex with the number of tries that the length of the text allows.
    fn within_tries(&self, text: &str) -> Result<&fancy_regex::Regex, EvaluationBound> {
        let class = TRIES_BY_LENGTH
            .iter()
            .position(|(length, _)| text.len() <= *length)
            .ok_or(EvaluationBound::Searched)?;
        if let Some(regex) = self.regexes[class].get() {
            return Ok(regex);
        }
        // What was compiled once is compiled again.
        let regex = backtracking(&self.source, self.flags, TRIES_BY_LENGTH[class].1)
            .map_err(|_| EvaluationBound::Tries)?;
        Ok(self.regexes[class].get_or_init(|| regex))
    }
}

fn backtracking(
    source: &str,
    flags: RegexFlags,
    tries: usize,
) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(source)
        .case_insensitive(flags.case_insensitive)
        .dot_matches_new_line(flags.dot_matches_new_line)
        .ignore_whitespace(flags.ignore_whitespace)
        .find_not_empty(flags.not_empty)
        .leftmost_longest(flags.longest)
        .backtrack_limit(tries)
        .delegate_size_limit(MAX_PART_BYTES)
        .delegate_dfa_size_limit(AUTOMATON_CACHE_BYTES)
        .max_prog_size(MAX_VM_STEPS)
        .build()
}

/// The parsed regex, where automata can search for it.
fn automaton_of(source: &str, flags: RegexFlags) -> Option<Hir> {
    let mut parser = ast::parse::ParserBuilder::new();
    let parser = parser
        .ignore_whitespace(flags.ignore_whitespace)
        .nest_limit(MAX_NESTING);
    let ast = parser.build().parse(source).ok()?;
    ast::visit(&ast, PossessiveSearch).ok()?;
    let mut translator = TranslatorBuilder::new();
    let translator = translator
        .case_insensitive(flags.case_insensitive)
        .dot_matches_new_line(flags.dot_matches_new_line);
    translator.build().translate(source, &ast).ok()
}

/// Looks for possessive repetitions, such as `a++`, which give back nothing that they took. Other
/// nested repetitions, such as `a{2}{3}`, are left to automata.
struct PossessiveSearch;

impl ast::Visitor for PossessiveSearch {
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

/// The weight of a regex: its places, and its size in bytes.
#[derive(Clone, Copy)]
struct RegexWeight {
    places: usize,
    size: usize,
}

impl RegexWeight {
    fn of(hir: &Hir) -> RegexWeight {
        let one = |places: usize, ranges: usize| RegexWeight {
            places,
            size: ranges.saturating_mul(BYTES_OF_A_RANGE),
        };
        match hir.kind() {
            HirKind::Empty => one(0, 0),
            HirKind::Look(_) => one(1, 1),
            HirKind::Literal(literal) => one(literal.0.len(), literal.0.len()),
            HirKind::Class(Class::Unicode(class)) => one(1, class.ranges().len()),
            HirKind::Class(Class::Bytes(class)) => one(1, class.ranges().len()),
            HirKind::Capture(capture) => RegexWeight::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                let times = repetition
                    .max
                    .unwrap_or(repetition.min.saturating_add(1))
                    .max(1);
                RegexWeight::of(&repetition.sub).times(times as usize)
            }
            HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
                .iter()
                .map(RegexWeight::of)
                .fold(one(0, 0), RegexWeight::plus),
        }
    }

    fn times(self, times: usize) -> RegexWeight {
        RegexWeight {
            places: self.places.saturating_mul(times),
            size: self.size.saturating_mul(times),
        }
    }

    fn plus(self, other: RegexWeight) -> RegexWeight {
        RegexWeight {
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
        let flags = RegexFlags::default();
        let first = CompiledRegex::compile_and_keep("a+", flags).unwrap();
        assert!(Rc::ptr_eq(
            &first,
            &CompiledRegex::kept("a+", flags).unwrap()
        ));
        let case = RegexFlags {
            case_insensitive: true,
            ..RegexFlags::default()
        };
        assert!(CompiledRegex::kept("a+", case).is_none());
        for number in 0..3 * CACHED_REGEXES {
            CompiledRegex::compile_and_keep(&format!("a{number}"), flags).unwrap();
        }
        let kept = COMPILED.with_borrow(|kept| kept.patterns[&flags].len());
        assert!((1..=CACHED_REGEXES).contains(&kept), "{kept}");
        assert!(CompiledRegex::compile("(", flags).is_err());
    }

    #[test]
    fn a_regex_is_weighed_with_its_repetitions_written_out() {
        let weight = |source: &str| {
            let pattern = CompiledRegex::compile(source, RegexFlags::default()).unwrap();
            (pattern.places, pattern.size)
        };
        assert_eq!(weight("abc").0, 3);
        assert_eq!(weight("(a[bc]){10}").0, 20);
        assert!(weight("\\w").1 > 100 * weight("[a-z]").1);
        assert!(CompiledRegex::compile("((\\w{100}){100}){100}", RegexFlags::default()).is_err());
    }
}
