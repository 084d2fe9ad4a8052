//! Compiling `flows/*.yaml`.

use pomost_expression::Expression;
use pomost_models::flow::{
    CursorSection, ExtractSection, FlowFile, LoadSection, LookupSection, Name, PaginateSection,
    TransformSection,
};

use super::{Compile, nearest, webhook};
use crate::{
    Flow,
    environment::Environment,
    flow::{Create, Cursor, Extract, Load, Lookup, Paginate, Request, Transform},
};

pub(crate) fn compile(
    compile: &mut Compile<'_>,
    file: &FlowFile,
    name: &str,
    systems: &[&str],
    environment: &Environment,
) -> Option<Flow> {
    compile.check_name("/flow", &file.flow.0, name);
    check_system(compile, "/extract/system", &file.extract.system, systems);
    check_system(compile, "/load/system", &file.load.system, systems);
    check_deletes(compile, file);
    let extract = extract(compile, &file.extract, environment);
    let transform = transform(compile, &file.transform, file.extract.expect.as_ref());
    let load = load(compile, &file.load);
    let sensitive = (0..)
        .zip(&file.sensitive)
        .map(|(number, path)| compile.expression(&format!("/sensitive/{number}"), path));
    let sensitive: Vec<Option<Expression>> = sensitive.collect();
    Some(Flow {
        name: name.to_owned(),
        extract: extract?,
        transform: transform?,
        load: load?,
        sensitive: sensitive.into_iter().collect::<Option<_>>()?,
        batch_size: file.batch_size as usize,
    })
}

fn check_system(compile: &mut Compile<'_>, pointer: &str, name: &Name, systems: &[&str]) {
    if !systems.contains(&name.0.as_str()) {
        compile.refuse_with_help(
            pointer,
            format!("there is no system '{}'", name.0),
            nearest(&name.0, systems),
        );
    }
}

fn check_deletes(compile: &mut Compile<'_>, file: &FlowFile) {
    if file.load.delete.is_some() {
        return;
    }
    let delivered = file.extract.webhook.as_ref().and_then(|webhook| webhook.deleted.as_ref());
    for (pointer, deleted) in
        [("/extract/deleted", file.extract.deleted.as_ref()), ("/extract/webhook/deleted", delivered)]
    {
        if deleted.is_some() {
            compile.refuse_with_help(
                pointer,
                "deleted records are recognised, but the flow does not say how to delete them",
                "add load.delete, or leave 'deleted' out",
            );
        }
    }
}

fn extract(
    compile: &mut Compile<'_>,
    section: &ExtractSection,
    environment: &Environment,
) -> Option<Extract> {
    let request = compile.request("/extract", &section.request);
    let paginate = paginate(compile, section.paginate.as_ref(), request.as_ref());
    let records = compile.expression("/extract/records", &section.records);
    check_rows_are_counted(compile, paginate.as_ref(), records.as_ref());
    let key = compile.expression("/extract/key", &section.key);
    let version = compile.optional("/extract/version", section.version.as_ref());
    let cursor = match &section.cursor {
        Some(section) => cursor(compile, section).map(Some),
        None => Some(None),
    };
    let deleted = compile.optional("/extract/deleted", section.deleted.as_ref());
    check_cursor(compile, section.cursor.is_some(), request.as_ref());
    let every = section.schedule.as_ref().map(|schedule| schedule.every.0);
    compile.check_not_zero("/extract/schedule/every", every);
    let webhook = match &section.webhook {
        Some(webhook) => webhook::webhook(compile, webhook, section, environment).map(Some),
        None => Some(None),
    };
    let answers = compile.answers("/extract/answers", &section.answers);
    Some(Extract {
        system: section.system.0.clone(),
        request: request?,
        paginate: paginate?,
        records: records?,
        key: key?,
        version: version?,
        cursor: cursor?,
        deleted: deleted?,
        every,
        webhook: webhook?,
        answers: answers?,
    })
}

fn cursor(compile: &mut Compile<'_>, section: &CursorSection) -> Option<Cursor> {
    let value = compile.expression("/extract/cursor/value", &section.value)?;
    Some(Cursor { value, start: section.start.clone(), overlap: section.overlap.map(|period| period.0) })
}

fn check_cursor(compile: &mut Compile<'_>, has_cursor: bool, request: Option<&Request>) {
    let Some(request) = request else { return };
    match (has_cursor, request.uses_variable("cursor")) {
        (true, false) => compile
            .warn("/extract/cursor", "extract.request does not use $cursor, so every run reads everything"),
        (false, true) => compile.refuse_with_help(
            "/extract/request",
            "$cursor is used, but the flow has no cursor",
            "add extract.cursor with value and start",
        ),
        _ => {}
    }
}

fn paginate(
    compile: &mut Compile<'_>,
    section: Option<&PaginateSection>,
    request: Option<&Request>,
) -> Option<Paginate> {
    let Some(section) = section else { return Some(Paginate::None) };
    match section {
        PaginateSection::Next(next) => compile.expression("/extract/paginate/next", next).map(Paginate::Next),
        PaginateSection::Page { param, start, last } => {
            check_param(compile, "/extract/paginate/page", param.as_ref(), request);
            let last = compile.optional("/extract/paginate/page/last", last.as_ref());
            Some(Paginate::Page { param: param.clone(), start: *start, last: last? })
        }
        PaginateSection::Offset { param, last } => {
            check_param(compile, "/extract/paginate/offset", param.as_ref(), request);
            let last = compile.optional("/extract/paginate/offset/last", last.as_ref());
            Some(Paginate::Offset { param: param.clone(), last: last? })
        }
        PaginateSection::Token { value, param } => {
            check_param(compile, "/extract/paginate/token", param.as_ref(), request);
            check_first_token(compile, request);
            let value = compile.expression("/extract/paginate/token/value", value);
            Some(Paginate::Token { value: value?, param: param.clone() })
        }
    }
}

/// Where the rows decide how the reading goes on, rows that an expression leaves out must not be
/// missing: the next offset would be too low, and a page without a wanted row would be the last.
fn check_rows_are_counted(
    compile: &mut Compile<'_>,
    paginate: Option<&Paginate>,
    records: Option<&Expression>,
) {
    let by_rows = matches!(paginate, Some(Paginate::Page { last: None, .. } | Paginate::Offset { .. }));
    if by_rows && records.is_some_and(|records| !records.is_path()) {
        compile.refuse_with_help(
            "/extract/records",
            "pages by number and by offset go by the rows of an answer, so this is to be a path to all of them, such as \
             .customers[]",
            "leave rows out in transform.map, where `empty` filters a record",
        );
    }
}

/// Something has to take the page, or every request would ask for the first one.
fn check_param(compile: &mut Compile<'_>, pointer: &str, param: Option<&String>, request: Option<&Request>) {
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
fn check_first_token(compile: &mut Compile<'_>, request: Option<&Request>) {
    if request.is_some_and(|request| request.path.holds("$page")) {
        compile.refuse_with_help(
            "/extract/request",
            "the first page has no token: there $page is null, which cannot stand in a URL",
            "write {$page // \"\"}, or name the query parameter with 'param', which the first request then leaves out",
        );
    }
}

fn transform(
    compile: &mut Compile<'_>,
    section: &TransformSection,
    expect: Option<&String>,
) -> Option<Transform> {
    let expect = compile.schema("/extract/expect", expect);
    let map = compile.optional("/transform/map", section.map.as_ref());
    let produce = compile.schema("/transform/produce", section.produce.as_ref());
    Some(Transform { expect: expect?, map: map?, produce: produce? })
}

fn load(compile: &mut Compile<'_>, section: &LoadSection) -> Option<Load> {
    let create = create(compile, section);
    let update = compile.request("/load/update", &section.update.request);
    let delete = match &section.delete {
        Some(delete) => compile.request("/load/delete", &delete.request).map(Some),
        None => Some(None),
    };
    check_addresses(compile, "/load/update/request", update.as_ref());
    check_addresses(compile, "/load/delete/request", delete.as_ref().and_then(Option::as_ref));
    let lookup = match &section.lookup {
        Some(section) => lookup(compile, section).map(Some),
        None => Some(None),
    };
    let answers = compile.answers("/load/answers", &section.answers);
    Some(Load {
        system: section.system.0.clone(),
        create: create?,
        update: update?,
        delete: delete?,
        lookup: lookup?,
        attempts: section.retry.attempts,
        answers: answers?,
    })
}

fn create(compile: &mut Compile<'_>, section: &LoadSection) -> Option<Create> {
    let request = compile.request("/load/create", &section.create.request);
    let id = compile.expression("/load/create/id", &section.create.id);
    let header = section.create.idempotency_header.as_ref().map(|name| name.parse().ok());
    if header == Some(None) {
        compile.refuse(
            "/load/create/idempotency_header",
            "expected the name of a header, such as Idempotency-Key",
        );
    }
    if header.is_none() && section.lookup.is_none() {
        compile.warn(
            "/load/create",
            "neither load.lookup nor load.create.idempotency_header is given: when a create breaks off, nothing can \
             tell whether it took place, and the record becomes a dead letter in doubt",
        );
    }
    Some(Create { request: request?, id: id?, idempotency_header: header.flatten() })
}

fn lookup(compile: &mut Compile<'_>, section: &LookupSection) -> Option<Lookup> {
    let request = compile.request("/load/lookup", &section.request);
    let id = compile.expression("/load/lookup/id", &section.id);
    Some(Lookup { request: request?, id: id? })
}

/// A request that does not say which record it is about is hardly meant.
fn check_addresses(compile: &mut Compile<'_>, pointer: &str, request: Option<&Request>) {
    let Some(request) = request else { return };
    if !request.uses_variable("id") && !request.uses_variable("key") && !request.needs_input() {
        compile.warn(pointer, "the request names no record: it uses neither $id nor $key nor a field");
    }
}
