//! Compiling `paginate`.

use pomost_models::flow::PaginateSection;

use super::FileCompiler;
use crate::flow::{Pagination, RequestTemplate};

pub(super) fn paginate(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    section: Option<&PaginateSection>,
    request: Option<&RequestTemplate>,
) -> Option<Pagination> {
    let Some(section) = section else {
        return Some(Pagination::None);
    };
    let below = |name: &str| format!("{pointer}/paginate/{name}");
    match section {
        PaginateSection::Next(next) => compiler
            .expression(&below("next"), next)
            .map(Pagination::Next),
        PaginateSection::Link(relation) => Some(Pagination::Link(relation.clone())),
        PaginateSection::Page { param, start, last } => {
            check_param(compiler, &below("page"), param.as_ref(), request);
            let last = compiler.optional(&below("page/last"), last.as_ref());
            Some(Pagination::Page {
                param: param.clone(),
                start: *start,
                last: last?,
            })
        }
        PaginateSection::Offset { param, last } => {
            check_param(compiler, &below("offset"), param.as_ref(), request);
            let last = compiler.optional(&below("offset/last"), last.as_ref());
            Some(Pagination::Offset {
                param: param.clone(),
                last: last?,
            })
        }
        PaginateSection::Token { value, param } => {
            check_param(compiler, &below("token"), param.as_ref(), request);
            check_first_token(compiler, pointer, request);
            let value = compiler.expression(&below("token/value"), value);
            Some(Pagination::Token {
                value: value?,
                param: param.clone(),
            })
        }
    }
}

/// Checks that the request takes the page, or every request would ask for the first one.
fn check_param(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    param: Option<&String>,
    request: Option<&RequestTemplate>,
) {
    let Some(request) = request else { return };
    let message = match (param.is_some(), request.uses_variable("page")) {
        (false, false) => {
            "the request does not use the page: name the query parameter with 'param', or use $page in the request"
        }
        (true, true) => "the page is taken twice: by 'param' and by $page in the request",
        _ => return,
    };
    compiler.refuse(pointer, message);
}

/// Checks that the first request, which has no token, needs none in its URL.
fn check_first_token(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    request: Option<&RequestTemplate>,
) {
    if request.is_some_and(|request| request.path.holds("$page")) {
        compiler.refuse_with_help(
            &format!("{pointer}/request"),
            "the first page has no token: there $page is null, which cannot stand in a URL",
            "write {$page // \"\"}, or name the query parameter with 'param', which the first request then leaves out",
        );
    }
}
