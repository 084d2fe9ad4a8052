//! Compiling the section `load`.

use http::HeaderName;
use pomost_models::flow::{CreateSection, FlowFile, LoadSection, LookupSection, UpdateSection};

use super::{Compile, batch, optional};
use crate::{
    destination::{Create, Load, Lookup, Update},
    request::Request,
};

pub(crate) fn compile(compile: &mut Compile<'_>, file: &FlowFile) -> Option<Load> {
    let section = &file.load;
    check_modes(compile, section);
    let create = optional(section.create.as_ref(), |section| create(compile, section));
    let update = optional(section.update.as_ref(), |section| update(compile, section));
    let delete = optional(section.delete.as_ref(), |section| delete(compile, section));
    let lookup = optional(section.lookup.as_ref(), |section| lookup(compile, section));
    let batch = optional(section.batch.as_ref(), |section| batch::compile(compile, section));
    let answers = compile.answers("/load/answers", &section.answers);
    let load = Load {
        system: section.system.0.clone(),
        create: create?,
        update: update?,
        delete: delete?,
        lookup: lookup?,
        batch: batch?,
        attempts: section.retry.attempts,
        answers: answers?,
    };
    check_addresses(compile, &load);
    check_doubt(compile, &load);
    batch::check(compile, &load, file);
    Some(load)
}

fn check_modes(compile: &mut Compile<'_>, section: &LoadSection) {
    if section.create.is_none() && section.update.is_none() && section.delete.is_none() {
        compile
            .refuse("/load", "expected at least one of create, update and delete: what is done to records");
    }
    if section.create.is_none() && section.lookup.as_ref().is_some_and(|lookup| lookup.before_create) {
        compile.refuse_with_help(
            "/load/lookup/before_create",
            "the flow creates nothing, so every record that is not known is looked up",
            "leave this out",
        );
    }
}

fn create(compile: &mut Compile<'_>, section: &CreateSection) -> Option<Create> {
    let request = compile.request("/load/create", &section.request);
    let id = compile.optional("/load/create/id", section.id.as_ref());
    let idempotency_header = optional(section.idempotency_header.as_ref(), |name| header(compile, name));
    Some(Create { request: request?, id: id?, idempotency_header: idempotency_header? })
}

fn header(compile: &mut Compile<'_>, name: &str) -> Option<HeaderName> {
    let refused = "expected the name of a header, such as Idempotency-Key";
    name.parse().map_err(|_| compile.refuse("/load/create/idempotency_header", refused)).ok()
}

fn update(compile: &mut Compile<'_>, section: &UpdateSection) -> Option<Update> {
    let request = compile.request("/load/update", &section.request)?;
    Some(Update { request, if_match: section.if_match })
}

fn delete(compile: &mut Compile<'_>, section: &UpdateSection) -> Option<Update> {
    let request = compile.addressed_request("/load/delete", &section.request)?;
    Some(Update { request, if_match: section.if_match })
}

fn lookup(compile: &mut Compile<'_>, section: &LookupSection) -> Option<Lookup> {
    let request = compile.addressed_request("/load/lookup", &section.request);
    let id = compile.expression("/load/lookup/id", &section.id);
    Some(Lookup { request: request?, id: id?, before_create: section.before_create })
}

/// A request that does not say which record it is about is hardly meant.
fn check_addresses(compile: &mut Compile<'_>, load: &Load) {
    let names_one = |request: &Request| {
        request.uses_variable("id") || request.uses_variable("key") || request.needs_input()
    };
    let changes = [("/load/update/request", &load.update), ("/load/delete/request", &load.delete)];
    for (pointer, Update { request, .. }) in
        changes.iter().filter_map(|(at, change)| Some((at, change.as_ref()?)))
    {
        if load.for_many(request).is_none() && !names_one(request) {
            compile.warn(pointer, "the request names no record: it uses neither $id nor $key nor a field");
        }
    }
}

fn check_doubt(compile: &mut Compile<'_>, load: &Load) {
    if !load.can_clear_doubt() {
        compile.warn(
            "/load/create",
            "neither load.lookup nor load.create.idempotency_header is given: when a create breaks off, nothing can \
             tell whether it took place, and the record becomes a dead letter in doubt",
        );
    }
}
