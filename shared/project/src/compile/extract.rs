//! Compiling the section `extract` of flows.

use std::sync::Arc;

use pomost_expression::Expression;
use pomost_format::{FormatSyntax, row_path};
use pomost_models::{
    flow::{
        DeletionsSection, ExtractSection, FetchSection, FlowFile, ListingSection, PaginateSection,
    },
    format::FormatSettings,
};

use super::{Compile, cursor, optional, schedule, webhook};
use crate::{
    environment::Environment,
    flow::{
        DeletionRules, ExtractRules, FetchRequest, ListingRequest, Pagination, RequestTemplate,
        StreamedList, SyncToken,
    },
};

pub(crate) fn compile(
    compile: &mut Compile<'_>,
    file: &FlowFile,
    environment: &Environment,
) -> Option<ExtractRules> {
    let section = &file.extract;
    check_deletes(compile, file);
    check_sweep(compile, section);
    check_is_read(compile, section);
    let cursor = optional(section.cursor.as_ref(), |section| {
        cursor::cursor(compile, section)
    });
    let listing = optional(section.listing.as_ref(), |listing| {
        let token = section
            .cursor
            .as_ref()
            .map_or(Some(None), |cursor| cursor::sync_token(compile, cursor));
        self::listing(compile, "/extract", listing, token?)
    });
    let for_each = optional(section.for_each.as_ref(), |section| {
        self::listing(compile, "/extract/for_each", section, None)
    });
    let fetch = optional(section.fetch.as_ref(), |section| fetch(compile, section));
    let deletions = optional(section.deletions.as_ref(), |deletions| {
        self::deletions(compile, section, deletions)
    });
    let key = compile.expression("/extract/key", &section.key);
    let version = compile.optional("/extract/version", section.version.as_ref());
    check_version_type(compile, section);
    let timezone = schedule::zone(compile, "/extract/timezone", section.timezone.as_ref());
    let deleted = compile.optional("/extract/deleted", section.deleted.as_ref());
    let schedule = optional(section.schedule.as_ref(), |section| {
        schedule::schedule(compile, section)
    });
    let webhook = optional(section.webhook.as_ref(), |webhook| {
        webhook::webhook(compile, webhook, section, environment).map(Arc::new)
    });
    let answers = compile.answers("/extract/answers", &section.answers);
    if let (Some(Some(listing)), Some(for_each)) = (&listing, &for_each) {
        check_variables(compile, section, listing, for_each.as_ref());
    }
    Some(ExtractRules {
        system: section.system.0.clone(),
        listing: listing?,
        for_each: for_each?,
        fetch: fetch?,
        key: key?,
        version: version?,
        version_type: section.version_type,
        timezone: timezone?,
        cursor: cursor?,
        deleted: deleted?,
        deletions: deletions?,
        sweep: section.sweep.as_ref().map(|sweep| sweep.max_deletes),
        schedule: schedule?,
        webhook: webhook?,
        answers: answers?,
    })
}

fn check_deletes(compile: &mut Compile<'_>, file: &FlowFile) {
    let extract = &file.extract;
    let recognised = [
        ("/extract/deleted", extract.deleted.is_some()),
        ("/extract/deletions", extract.deletions.is_some()),
        ("/extract/sweep", extract.sweep.is_some()),
        (
            "/extract/webhook/deleted",
            extract
                .webhook
                .as_ref()
                .is_some_and(|webhook| webhook.deleted.is_some()),
        ),
    ];
    let can_delete =
        file.load.delete.is_some() || file.load.table.is_some() || file.load.files.is_some();
    for (pointer, _) in recognised
        .into_iter()
        .filter(|(_, given)| *given && !can_delete)
    {
        compile.refuse_with_help(
            pointer,
            "deleted records are recognised, but the flow does not say how to delete them",
            "add load.delete, or leave this out",
        );
    }
}

/// What says how to read needs something to read; without it, the source has to deliver.
fn check_is_read(compile: &mut Compile<'_>, section: &ExtractSection) {
    if section.listing.is_some() {
        return;
    }
    if section.webhook.is_none() {
        let missing = "'request' is missing: what lists the records, such as GET /customers; or else 'webhook', where the \
                       source delivers them by itself";
        return compile.refuse_key("/extract", missing);
    }
    for key in OF_READING {
        let pointer = format!("/extract/{key}");
        if compile.document.value.pointer(&pointer).is_some() {
            let help = "add 'request', or leave this out";
            compile.refuse_with_help(
                &pointer,
                "the flow reads nothing: it has a webhook and no 'request'",
                help,
            );
        }
    }
}

/// The keys that say how to read.
const OF_READING: [&str; 13] = [
    "headers",
    "body",
    "body_format",
    "paginate",
    "format",
    "records",
    "for_each",
    "cursor",
    "deletions",
    "sweep",
    "schedule",
    "request",
    "answers",
];

fn check_sweep(compile: &mut Compile<'_>, section: &ExtractSection) {
    let by_value = section
        .cursor
        .as_ref()
        .is_some_and(|cursor| cursor.value.is_some());
    if section.sweep.is_some() && by_value {
        compile.refuse_with_help(
            "/extract/sweep",
            "a flow with a cursor reads only what is new, so what it does not list is not deleted",
            "leave extract.cursor out, or recognise deletions by 'deleted' or 'deletions'",
        );
    }
}

fn listing(
    compile: &mut Compile<'_>,
    pointer: &str,
    section: &ListingSection,
    sync_token: Option<SyncToken>,
) -> Option<ListingRequest> {
    let request = compile.request(pointer, &section.request);
    let paginate = paginate(
        compile,
        pointer,
        section.paginate.as_ref(),
        request.as_ref(),
    );
    let format = compile.format(&format!("{pointer}/format"), section.format.as_ref());
    let records = records(compile, pointer, section);
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
    check_rows_are_counted(compile, pointer, &listing);
    Some(listing)
}

/// Formats with rows of their own need no expression for them.
fn records(
    compile: &mut Compile<'_>,
    pointer: &str,
    section: &ListingSection,
) -> Option<Expression> {
    let Some(records) = &section.records else {
        let has_rows = section
            .format
            .as_ref()
            .is_some_and(|format| !matches!(format.0, FormatSettings::Json(_)));
        if !has_rows {
            compile.refuse_key(
                pointer,
                "'records' is missing: the rows in an answer, such as .customers[]",
            );
        }
        return Expression::compile(".").ok();
    };
    compile.expression(&format!("{pointer}/records"), records)
}

/// The list that the rows are elements of, where it need not be kept: where paging and cursor look elsewhere.
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

fn fetch(compile: &mut Compile<'_>, section: &FetchSection) -> Option<FetchRequest> {
    let request = compile.request("/extract/fetch", &section.request);
    let format = compile.format("/extract/fetch/format", section.format.as_ref());
    let record = compile.optional("/extract/fetch/record", section.record.as_ref());
    Some(FetchRequest {
        request: request?,
        format: format?,
        record: record?,
    })
}

fn deletions(
    compile: &mut Compile<'_>,
    extract: &ExtractSection,
    section: &DeletionsSection,
) -> Option<DeletionRules> {
    let listing = listing(compile, "/extract/deletions", &section.listing, None);
    let key = compile.expression("/extract/deletions/key", &section.key);
    let version = compile.optional("/extract/deletions/version", section.version.as_ref());
    if extract.version.is_some() && section.version.is_none() {
        compile.refuse_with_help(
            "/extract/deletions",
            "the flow's records have a version, so their deletions need one to be told from older and newer changes",
            "add 'version', such as .deleted_at",
        );
    }
    Some(DeletionRules {
        listing: listing?,
        key: key?,
        version: version?,
        version_type: extract.version_type,
    })
}

fn check_version_type(compile: &mut Compile<'_>, section: &ExtractSection) {
    let webhook = section
        .webhook
        .as_ref()
        .is_some_and(|webhook| webhook.version.is_some());
    if section.version_type.is_some() && section.version.is_none() && !webhook {
        compile.refuse_key_with_help(
            "/extract/version_type",
            "no version is given for it to be about",
            "add 'version', such as .updated_at, or leave this out",
        );
    }
}

/// Variables that are null where they are used are mistakes.
fn check_variables(
    compile: &mut Compile<'_>,
    section: &ExtractSection,
    listing: &ListingRequest,
    for_each: Option<&ListingRequest>,
) {
    let requests: Vec<_> = [Some(listing), for_each]
        .into_iter()
        .flatten()
        .map(|listing| &listing.request)
        .collect();
    cursor::check_requests(compile, section, listing, &requests);
    if section.for_each.is_some() && !listing.request.uses_variable("parent") {
        compile.warn(
            "/extract/for_each",
            "extract.request does not use $parent, so it asks the same for each row",
        );
    }
    if section.for_each.is_none() && listing.request.uses_variable("parent") {
        compile.refuse_with_help(
            "/extract/request",
            "$parent is used, but nothing says whose the records are",
            "add extract.for_each, which lists the parents",
        );
    }
}

fn paginate(
    compile: &mut Compile<'_>,
    pointer: &str,
    section: Option<&PaginateSection>,
    request: Option<&RequestTemplate>,
) -> Option<Pagination> {
    let Some(section) = section else {
        return Some(Pagination::None);
    };
    let below = |name: &str| format!("{pointer}/paginate/{name}");
    match section {
        PaginateSection::Next(next) => compile
            .expression(&below("next"), next)
            .map(Pagination::Next),
        PaginateSection::Link(relation) => Some(Pagination::Link(relation.clone())),
        PaginateSection::Page { param, start, last } => {
            check_param(compile, &below("page"), param.as_ref(), request);
            let last = compile.optional(&below("page/last"), last.as_ref());
            Some(Pagination::Page {
                param: param.clone(),
                start: *start,
                last: last?,
            })
        }
        PaginateSection::Offset { param, last } => {
            check_param(compile, &below("offset"), param.as_ref(), request);
            let last = compile.optional(&below("offset/last"), last.as_ref());
            Some(Pagination::Offset {
                param: param.clone(),
                last: last?,
            })
        }
        PaginateSection::Token { value, param } => {
            check_param(compile, &below("token"), param.as_ref(), request);
            check_first_token(compile, pointer, request);
            let value = compile.expression(&below("token/value"), value);
            Some(Pagination::Token {
                value: value?,
                param: param.clone(),
            })
        }
    }
}

/// Where the rows decide how the reading goes on, rows that an expression leaves out must not be
/// missing: the next offset would be too low, and a page without a wanted row would be the last.
fn check_rows_are_counted(compile: &mut Compile<'_>, pointer: &str, listing: &ListingRequest) {
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
        compile.refuse_with_help(
            &format!("{pointer}/records"),
            "pages by number and by offset go by the rows of an answer, so this is to begin with the path to all of \
             them, such as .customers[]",
            "what is made of a row stands behind a pipe: .customers[] | select(.active), .orders[] | .lines[]; records are \
             also left out in transform.map, by `empty`",
        );
    }
}

/// Something has to take the page, or every request would ask for the first one.
fn check_param(
    compile: &mut Compile<'_>,
    pointer: &str,
    param: Option<&String>,
    request: Option<&RequestTemplate>,
) {
    let Some(request) = request else { return };
    let message = match (param.is_some(), request.uses_variable("page")) {
        (false, false) => {
            "nothing takes the page: name the query parameter with 'param', or use $page in the request"
        }
        (true, true) => "the page is taken twice: by 'param' and by $page in the request",
        _ => return,
    };
    compile.refuse(pointer, message);
}

/// The first page has no token, and null has no place in a URL.
fn check_first_token(compile: &mut Compile<'_>, pointer: &str, request: Option<&RequestTemplate>) {
    if request.is_some_and(|request| request.path.holds("$page")) {
        compile.refuse_with_help(
            &format!("{pointer}/request"),
            "the first page has no token: there $page is null, which cannot stand in a URL",
            "write {$page // \"\"}, or name the query parameter with 'param', which the first request then leaves out",
        );
    }
}
