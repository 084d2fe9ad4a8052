//! Compiling `extract.cursor`.

use jiff::{Timestamp, civil::DateTime};
use pomost_models::{
    flow::{CursorSection, ExtractSection, PaginateSection},
    text::JqExpression,
};

use super::Compile;
use crate::flow::{
    CursorRules, CursorSource, ListingRequest, Pagination, RequestTemplate, SyncToken,
};

const SECTION: &str = "/extract/cursor";

/// Where a key of the section stands.
fn at(key: &str) -> String {
    format!("{SECTION}/{key}")
}

pub(super) fn cursor(compile: &mut Compile<'_>, section: &CursorSection) -> Option<CursorRules> {
    let told_by = match (&section.value, &section.token, &section.link) {
        (Some(value), None, None) => CursorSource::Value(of_values(compile, section, value)?),
        (None, Some(_), None) => CursorSource::Token,
        (None, None, Some(_)) => CursorSource::Link,
        _ => {
            let message = "expected one of 'value': in a record, the highest counts; 'token': in an answer, the last counts; \
                           and 'link': a URL in an answer";
            compile.refuse_key(SECTION, message);
            return None;
        }
    };
    let (overlap, step) = (
        section.overlap.map(|period| period.0),
        section.step.map(|period| period.0),
    );
    compile.check_not_zero(&at("step"), step);
    check_keys(compile, section, &told_by);
    Some(CursorRules {
        source: told_by,
        start: section.start.clone(),
        overlap,
        step,
    })
}

fn of_values(
    compile: &mut Compile<'_>,
    section: &CursorSection,
    value: &JqExpression,
) -> Option<pomost_expression::Expression> {
    if section.start.is_none() {
        compile.refuse_key(SECTION, "'start' is missing: where the first run begins");
    }
    compile.expression(&at("value"), value)
}

/// What in an answer says how far the source has been read; the inner `None` where a record does.
pub(super) fn sync_token(
    compile: &mut Compile<'_>,
    section: &CursorSection,
) -> Option<Option<SyncToken>> {
    let (pointer, value) = match (&section.token, &section.link) {
        (Some(token), None) => (at("token"), token),
        (None, Some(link)) => (at("link"), link),
        _ => return Some(None),
    };
    let value = compile.expression(&pointer, value)?;
    Some(Some(SyncToken {
        value,
        param: section.param.clone(),
    }))
}

/// A token is not reckoned with, and a link is a whole URL.
fn check_keys(compile: &mut Compile<'_>, section: &CursorSection, told_by: &CursorSource) {
    let given = [
        ("overlap", section.overlap.is_some()),
        ("step", section.step.is_some()),
        ("start", section.start.is_some()),
        ("param", section.param.is_some()),
    ];
    let (what, senseless): (_, &[&str]) = match told_by {
        CursorSource::Value(_) => (
            "a value goes into the request by $cursor, and no query parameter takes it",
            &["param"],
        ),
        CursorSource::Token => (
            "a token stands for a place, and nobody can reckon with it",
            &["overlap", "step"],
        ),
        CursorSource::Link => (
            "a link is the whole URL that a run begins at, and nothing is added to it",
            &["overlap", "step", "start", "param"],
        ),
    };
    for (key, _) in given
        .into_iter()
        .filter(|(key, given)| *given && senseless.contains(key))
    {
        compile.refuse_with_help(&at(key), what, "leave this out");
    }
}

/// What a run is to begin at, and where a window ends, has to stand in the request.
pub(super) fn check_requests(
    compile: &mut Compile<'_>,
    section: &ExtractSection,
    listing: &ListingRequest,
    requests: &[&RequestTemplate],
) {
    let uses = |name| requests.iter().any(|request| request.uses_variable(name));
    let Some(cursor) = &section.cursor else {
        if uses("cursor") {
            let help = "add extract.cursor with value and start";
            compile.refuse_with_help(
                "/extract/request",
                "$cursor is used, but the flow has no cursor",
                help,
            );
        }
        return check_until(compile, false, uses("until"));
    };
    if cursor.value.is_some() && !uses("cursor") {
        compile.warn(
            SECTION,
            "extract.request does not use $cursor, so every run reads everything",
        );
    }
    check_until(compile, cursor.step.is_some(), uses("until"));
    check_values(compile, cursor, listing);
    check_tokens(compile, section, cursor, listing);
}

fn check_until(compile: &mut Compile<'_>, step: bool, until: bool) {
    match (step, until) {
        (true, false) => compile.refuse_with_help(
            &at("step"),
            "nothing takes the end of a window",
            "use $until in extract.request, beside $cursor",
        ),
        (false, true) => compile.refuse_with_help(
            "/extract/request",
            "$until is used, but the flow does not read in windows",
            "add extract.cursor.step",
        ),
        _ => {}
    }
}

/// Rows move when others before them change or go; what then stands on a page that was read already is
/// found only by reading back. So is what the source shows late, and what changes in the second of the cursor
/// where the source lists what is later than that. Tokens that are told by rows have no highest one.
fn check_values(compile: &mut Compile<'_>, section: &CursorSection, listing: &ListingRequest) {
    let (Some(_), Some(start)) = (&section.value, &section.start) else {
        return;
    };
    let by_place = matches!(
        listing.paginate,
        Pagination::Page { .. } | Pagination::Offset { .. }
    );
    if section.overlap.is_none() && by_place {
        compile.warn(
            SECTION,
            "pages by number and by offset miss rows that move while they are read, and without 'overlap' no later run \
             finds them; give one that is longer than a run takes",
        );
    } else if section.overlap.is_none() && is_time(start) {
        compile.warn(
            SECTION,
            "without 'overlap' no run finds what the source shows late, nor, where it lists only what is later than \
             $cursor, what changes within the same second; give one, such as 5m: what is read twice is sent once",
        );
    }
    if !is_time(start) && !is_number(start) && !start.is_empty() {
        compile.warn(
            SECTION,
            "'start' is neither a time nor a number: such values are compared as text, character by character; a token of \
             the source's is found by 'token' in place of 'value', and is not compared",
        );
    }
}

fn is_time(text: &str) -> bool {
    text.contains('-') && (text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok())
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Something has to take the token, and each listing has its own.
fn check_tokens(
    compile: &mut Compile<'_>,
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
        compile.refuse_key_with_help(
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
        compile.refuse_with_help(
            "/extract/paginate",
            "what begins at a link goes on by links",
            help,
        );
    }
    let taken = listing.request.uses_variable("cursor");
    match (cursor.token.is_some(), taken, cursor.param.is_some()) {
        (true, false, false) => compile.refuse_key(
            SECTION,
            "nothing takes the token: name the query parameter with 'param', or use $cursor in the request",
        ),
        (true, true, true) => {
            compile.refuse_key(SECTION, "the token is taken twice: by 'param' and by $cursor in the request")
        }
        (true, true, false) if cursor.start.is_none() && listing.request.path.holds("$cursor") => compile
            .refuse_with_help(
                "/extract/request",
                "the first run has no token: there $cursor is null, which cannot stand in a URL",
                "name the query parameter with 'param', which the first run then leaves out, or give 'start'",
            ),
        _ => {}
    }
}
