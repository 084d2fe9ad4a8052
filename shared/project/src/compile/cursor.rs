//! Compiling `extract.cursor`.

use pomost_models::{
    CursorKind,
    flow::{CursorSection, ExtractSection, PaginateSection},
    text::JqExpression,
};

use super::FileCompiler;
use crate::flow::{
    CursorRules, CursorSource, ListingRequest, Pagination, RequestTemplate, SyncToken,
};

const SECTION: &str = "/extract/cursor";

/// The JSON pointer of a key of the section.
fn at(key: &str) -> String {
    format!("{SECTION}/{key}")
}

pub(super) fn cursor(
    compiler: &mut FileCompiler<'_>,
    section: &CursorSection,
) -> Option<CursorRules> {
    let source = match (&section.value, &section.token, &section.link) {
        (Some(value), None, None) => CursorSource::Value(of_values(compiler, section, value)?),
        (None, Some(_), None) => CursorSource::Token,
        (None, None, Some(_)) => CursorSource::Link,
        _ => {
            let message = "expected one of 'value': in a record, the highest counts; 'token': in an answer, the last counts; \
                           and 'link': a URL in an answer";
            compiler.refuse_key(SECTION, message);
            return None;
        }
    };
    let (overlap, step) = (
        section.overlap.map(|period| period.0),
        section.step.map(|period| period.0),
    );
    compiler.check_not_zero(&at("step"), step);
    check_keys(compiler, section, &source);
    Some(CursorRules {
        source,
        start: section.start.clone(),
        overlap,
        step,
    })
}

fn of_values(
    compiler: &mut FileCompiler<'_>,
    section: &CursorSection,
    value: &JqExpression,
) -> Option<pomost_expression::Expression> {
    if section.start.is_none() {
        compiler.refuse_key(SECTION, "'start' is missing: where the first run begins");
    }
    compiler.expression(&at("value"), value)
}

/// The sync token in an answer. The inner `None` means that the cursor is a value in records.
pub(super) fn sync_token(
    compiler: &mut FileCompiler<'_>,
    section: &CursorSection,
) -> Option<Option<SyncToken>> {
    let (pointer, value) = match (&section.token, &section.link) {
        (Some(token), None) => (at("token"), token),
        (None, Some(link)) => (at("link"), link),
        _ => return Some(None),
    };
    let value = compiler.expression(&pointer, value)?;
    Some(Some(SyncToken {
        value,
        param: section.param.clone(),
    }))
}

/// Refuses keys that make no sense: nothing can be calculated with a token, and a link is a whole
/// URL.
fn check_keys(compiler: &mut FileCompiler<'_>, section: &CursorSection, source: &CursorSource) {
    let given = [
        ("overlap", section.overlap.is_some()),
        ("step", section.step.is_some()),
        ("start", section.start.is_some()),
        ("param", section.param.is_some()),
    ];
    let (reason, useless): (_, &[&str]) = match source {
        CursorSource::Value(_) => (
            "a value goes into the request by $cursor, and no query parameter takes it",
            &["param"],
        ),
        CursorSource::Token => (
            "nothing can be calculated with a token",
            &["overlap", "step"],
        ),
        CursorSource::Link => (
            "a link is the whole URL that a run begins at, and nothing is added to it",
            &["overlap", "step", "start", "param"],
        ),
    };
    for (key, _) in given
        .into_iter()
        .filter(|(key, given)| *given && useless.contains(key))
    {
        compiler.refuse_with_help(&at(key), reason, "leave this out");
    }
}

/// Checks that the request uses the cursor, and the end of a time window where there are windows.
pub(super) fn check_requests(
    compiler: &mut FileCompiler<'_>,
    section: &ExtractSection,
    listing: &ListingRequest,
    requests: &[&RequestTemplate],
) {
    let uses = |name| requests.iter().any(|request| request.uses_variable(name));
    let Some(cursor) = &section.cursor else {
        if uses("cursor") {
            let help = "add extract.cursor with value and start";
            compiler.refuse_with_help(
                "/extract/request",
                "$cursor is used, but the flow has no cursor",
                help,
            );
        }
        return check_until(compiler, false, uses("until"));
    };
    if cursor.value.is_some() && !uses("cursor") {
        compiler.warn(
            SECTION,
            "extract.request does not use $cursor, so every run reads everything",
        );
    }
    check_until(compiler, cursor.step.is_some(), uses("until"));
    check_values(compiler, cursor, listing);
    check_tokens(compiler, section, cursor, listing);
}

fn check_until(compiler: &mut FileCompiler<'_>, step: bool, until: bool) {
    match (step, until) {
        (true, false) => compiler.refuse_with_help(
            &at("step"),
            "the request does not use the end of a window",
            "use $until in extract.request, beside $cursor",
        ),
        (false, true) => compiler.refuse_with_help(
            "/extract/request",
            "$until is used, but the flow does not read in windows",
            "add extract.cursor.step",
        ),
        _ => {}
    }
}

/// Warns where changes could be missed.
///
/// Rows move to other pages while they are read, sources show changes late, and a source that lists
/// what is later than the cursor misses other changes in the cursor's second. Only reading back
/// (`overlap`) finds these. Tokens are compared as text by mistake where they are given as `value`.
fn check_values(
    compiler: &mut FileCompiler<'_>,
    section: &CursorSection,
    listing: &ListingRequest,
) {
    let (Some(_), Some(start)) = (&section.value, &section.start) else {
        return;
    };
    let kind = CursorKind::of(start);
    let by_place = matches!(
        listing.paginate,
        Pagination::Page { .. } | Pagination::Offset { .. }
    );
    if section.overlap.is_none() && by_place {
        compiler.warn(
            SECTION,
            "pages by number and by offset miss rows that move while they are read, and without 'overlap' no later run \
             finds them; give one that is longer than a run takes",
        );
    } else if section.overlap.is_none() && kind == CursorKind::Time {
        compiler.warn(
            SECTION,
            "without 'overlap' no run finds changes that the source shows late, nor changes within the same second if the \
             source lists only what is later than $cursor; add one, such as 5m: a record that is read twice is sent once",
        );
    }
    if kind == CursorKind::Text && !start.is_empty() {
        compiler.warn(
            SECTION,
            "'start' is neither a time nor a number: such values are compared as text, character by character; a token of \
             the source's is found by 'token' in place of 'value', and is not compared",
        );
    }
}

/// Checks that the request takes the token, and that there is one listing only, because each
/// listing has its own token.
fn check_tokens(
    compiler: &mut FileCompiler<'_>,
    section: &ExtractSection,
    cursor: &CursorSection,
    listing: &ListingRequest,
) {
    if cursor.value.is_some() {
        return;
    }
    if section.for_each.is_some() {
        let message =
            "a token stands for one listing, and each row of for_each has a listing of its own";
        compiler.refuse_key_with_help(
            SECTION,
            message,
            "leave one of the two out, or make it a flow for each",
        );
    }
    let pages = section
        .listing
        .as_ref()
        .and_then(|listing| listing.paginate.as_ref());
    let by_url = matches!(
        pages,
        None | Some(PaginateSection::Next(_) | PaginateSection::Link(_))
    );
    if cursor.link.is_some() && !by_url {
        let help = "use paginate: { next: … }, the URL in an answer, or { link: next }";
        compiler.refuse_with_help(
            "/extract/paginate",
            "a run that begins at a link continues by links",
            help,
        );
    }
    let taken = listing.request.uses_variable("cursor");
    match (cursor.token.is_some(), taken, cursor.param.is_some()) {
        (true, false, false) => compiler.refuse_key(
            SECTION,
            "the request does not use the token: name the query parameter with 'param', or use $cursor in the request",
        ),
        (true, true, true) => {
            compiler.refuse_key(SECTION, "the token is taken twice: by 'param' and by $cursor in the request")
        }
        (true, true, false) if cursor.start.is_none() && listing.request.path.holds("$cursor") => compiler
            .refuse_with_help(
                "/extract/request",
                "the first run has no token: there $cursor is null, which cannot stand in a URL",
                "name the query parameter with 'param', which the first run then leaves out, or give 'start'",
            ),
        _ => {}
    }
}
