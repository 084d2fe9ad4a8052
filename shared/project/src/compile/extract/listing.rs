//! Compiling listings: requests whose answers are pages of rows.

use pomost_expression::Expression;
use pomost_format::{FormatSyntax, row_path};
use pomost_models::{flow::ListingSection, format::FormatSettings};

use super::{FileCompiler, paginate::paginate};
use crate::flow::{ListingRequest, Pagination, StreamedList, SyncToken};

pub(super) fn listing(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    section: &ListingSection,
    sync_token: Option<SyncToken>,
) -> Option<ListingRequest> {
    let request = compiler.request(pointer, &section.request);
    let paginate = paginate(
        compiler,
        pointer,
        section.paginate.as_ref(),
        request.as_ref(),
    );
    let format = compiler.format(&format!("{pointer}/format"), section.format.as_ref());
    let records = records(compiler, pointer, section);
    let (request, paginate, format, records) = (request?, paginate?, format?, records?);
    let list = list(&records, &paginate, sync_token.as_ref());
    let place = pointer.trim_start_matches('/').replace('/', ".");
    let listing = ListingRequest {
        place,
        request,
        paginate,
        format,
        records,
        streamed_list: list,
        sync_token,
    };
    check_rows_are_counted(compiler, pointer, &listing);
    Some(listing)
}

/// The rows in an answer. Formats with rows of their own need no expression.
fn records(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    section: &ListingSection,
) -> Option<Expression> {
    let Some(records) = &section.records else {
        let has_rows = section
            .format
            .as_ref()
            .is_some_and(|format| !matches!(format.0, FormatSettings::Json(_)));
        if !has_rows {
            compiler.refuse_key(
                pointer,
                "'records' is missing: the rows in an answer, such as .customers[]",
            );
        }
        return Expression::compile(".").ok();
    };
    compiler.expression(&format!("{pointer}/records"), records)
}

/// The list whose elements are the rows, so that the answer can be read as it comes. None where
/// paging or the cursor may look into the list.
fn list(
    records: &Expression,
    paginate: &Pagination,
    sync_token: Option<&SyncToken>,
) -> Option<StreamedList> {
    let (path, each) = row_path(records.source())?;
    let pages = match paginate {
        Pagination::Next(expression)
        | Pagination::Token {
            value: expression, ..
        } => Some(expression),
        Pagination::Page { last, .. } | Pagination::Offset { last, .. } => last.as_ref(),
        Pagination::None | Pagination::Link(_) => None,
    };
    let elsewhere = |expression: &Expression| {
        let first = path.fields.first();
        expression.is_path()
            && first.is_some_and(|first| !expression.source().contains(first.as_str()))
    };
    let each = Expression::compile(each).ok()?;
    let mut looked_at = pages
        .into_iter()
        .chain(sync_token.map(|token| &token.value));
    looked_at
        .all(elsewhere)
        .then_some(StreamedList { path, each })
}

/// Checks that `records` leaves no rows out where the number of rows decides about the next page.
/// Otherwise the next offset would be too low, and a page without a wanted row would count as the
/// last.
fn check_rows_are_counted(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    listing: &ListingRequest,
) {
    let by_rows = matches!(
        listing.paginate,
        Pagination::Page { last: None, .. } | Pagination::Offset { .. }
    );
    let has_rows = listing
        .format
        .as_ref()
        .is_some_and(|format| format.syntax != FormatSyntax::Json);
    let is_one_list =
        listing.records.is_path() && listing.records.source().matches("[]").count() <= 1;
    if by_rows && !has_rows && listing.streamed_list.is_none() && !is_one_list {
        compiler.refuse_with_help(
            &format!("{pointer}/records"),
            "pages by number and by offset depend on the number of rows in an answer, so this has to begin with the \
             path to all of them, such as .customers[]",
            "put everything that is done with a row behind a pipe: .customers[] | select(.active), .orders[] | .lines[]; \
             records can also be left out in transform.map, with `empty`",
        );
    }
}
