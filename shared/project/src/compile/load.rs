//! Compiling the section `load`.

use std::sync::Arc;

use http::HeaderName;
use pomost_models::flow::{
    CreateSection, FlowFile, LoadSection, LookupSection, ResourceName, UpdateSection,
};

use super::{Compile, batch, files, optional, table};
use crate::{
    destination::{
        CreateRequest, LoadRules, LoadTarget, LookupRequest, SystemDestination, UpdateRequest,
    },
    environment::Environment,
    request::RequestTemplate,
};

pub(crate) fn compile(
    compile: &mut Compile<'_>,
    file: &FlowFile,
    environment: &Environment,
) -> Option<LoadRules> {
    let section = &file.load;
    let to = match (&section.system, &section.table, &section.files) {
        (Some(system), None, None) => {
            requests(compile, file, system).map(|requests| LoadTarget::System(Arc::new(requests)))
        }
        (None, Some(table), None) => {
            check_no_requests(
                compile,
                section,
                "a table's rows are made, changed and deleted by their keys",
            );
            table::compile(compile, table, environment)
                .map(|table| LoadTarget::Table(Arc::new(table)))
        }
        (None, None, Some(files)) => {
            check_no_requests(
                compile,
                section,
                "what is in files is neither changed nor deleted",
            );
            files::compile(compile, files).map(|files| LoadTarget::Files(Arc::new(files)))
        }
        _ => {
            let message = "expected exactly one of system, table and files: where the records go";
            compile.refuse_key("/load", message);
            None
        }
    };
    Some(LoadRules {
        target: to?,
        order: section.order,
        attempts: section.retry.attempts,
    })
}

/// What is said of requests would be ignored where there are none.
fn check_no_requests(compile: &mut Compile<'_>, section: &LoadSection, reason: &str) {
    let given = [
        ("create", section.create.is_some()),
        ("update", section.update.is_some()),
        ("delete", section.delete.is_some()),
        ("lookup", section.lookup.is_some()),
        ("batch", section.batch.is_some()),
        ("answers", !section.answers.is_empty()),
    ];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        let message = format!("'{name}' is for flows that write to a system; {reason}");
        compile.refuse_key_with_help(&format!("/load/{name}"), message, "leave this out");
    }
}

fn requests(
    compile: &mut Compile<'_>,
    file: &FlowFile,
    system: &ResourceName,
) -> Option<SystemDestination> {
    let section = &file.load;
    check_modes(compile, section);
    let create = optional(section.create.as_ref(), |section| create(compile, section));
    let update = optional(section.update.as_ref(), |section| update(compile, section));
    let delete = optional(section.delete.as_ref(), |section| delete(compile, section));
    let lookup = optional(section.lookup.as_ref(), |section| lookup(compile, section));
    let batch = optional(section.batch.as_ref(), |section| {
        batch::compile(compile, section)
    });
    let answers = compile.answers("/load/answers", &section.answers);
    let requests = SystemDestination {
        system: system.0.clone(),
        create: create?,
        update: update?,
        delete: delete?,
        lookup: lookup?,
        batch: batch?,
        answers: answers?,
    };
    check_addresses(compile, &requests);
    check_doubt(compile, &requests);
    batch::check(compile, &requests, file);
    Some(requests)
}

fn check_modes(compile: &mut Compile<'_>, section: &LoadSection) {
    if section.create.is_none() && section.update.is_none() && section.delete.is_none() {
        compile.refuse(
            "/load",
            "expected at least one of create, update and delete: what is done to records",
        );
    }
    if section.create.is_none()
        && section
            .lookup
            .as_ref()
            .is_some_and(|lookup| lookup.before_create)
    {
        compile.refuse_with_help(
            "/load/lookup/before_create",
            "the flow creates nothing, so every record that is not known is looked up",
            "leave this out",
        );
    }
}

fn create(compile: &mut Compile<'_>, section: &CreateSection) -> Option<CreateRequest> {
    let request = compile.request("/load/create", &section.request);
    let id = compile.optional("/load/create/id", section.id.as_ref());
    let idempotency_header = optional(section.idempotency_header.as_ref(), |name| {
        header(compile, name)
    });
    Some(CreateRequest {
        request: request?,
        id: id?,
        idempotency_header: idempotency_header?,
    })
}

fn header(compile: &mut Compile<'_>, name: &str) -> Option<HeaderName> {
    let refused = "expected the name of a header, such as Idempotency-Key";
    name.parse()
        .map_err(|_| compile.refuse("/load/create/idempotency_header", refused))
        .ok()
}

fn update(compile: &mut Compile<'_>, section: &UpdateSection) -> Option<UpdateRequest> {
    let request = compile.request("/load/update", &section.request)?;
    Some(UpdateRequest {
        request,
        if_match: section.if_match,
    })
}

fn delete(compile: &mut Compile<'_>, section: &UpdateSection) -> Option<UpdateRequest> {
    let request = compile.addressed_request("/load/delete", &section.request)?;
    Some(UpdateRequest {
        request,
        if_match: section.if_match,
    })
}

fn lookup(compile: &mut Compile<'_>, section: &LookupSection) -> Option<LookupRequest> {
    let request = compile.addressed_request("/load/lookup", &section.request);
    let id = compile.expression("/load/lookup/id", &section.id);
    Some(LookupRequest {
        request: request?,
        id: id?,
        before_create: section.before_create,
    })
}

/// A request that does not say which record it is about is hardly meant.
fn check_addresses(compile: &mut Compile<'_>, requests: &SystemDestination) {
    let names_one = |request: &RequestTemplate| {
        request.uses_variable("id") || request.uses_variable("key") || request.needs_input()
    };
    let changes = [
        ("/load/update/request", &requests.update),
        ("/load/delete/request", &requests.delete),
    ];
    for (pointer, UpdateRequest { request, .. }) in changes
        .iter()
        .filter_map(|(at, change)| Some((at, change.as_ref()?)))
    {
        if requests.batch_for(request).is_none() && !names_one(request) {
            compile.warn(
                pointer,
                "the request names no record: it uses neither $id nor $key nor a field",
            );
        }
    }
}

fn check_doubt(compile: &mut Compile<'_>, requests: &SystemDestination) {
    if !requests.can_resolve_doubt() {
        compile.warn(
            "/load/create",
            "neither load.lookup nor load.create.idempotency_header is given: when a create breaks off, nothing can \
             tell whether it took place, and the record becomes a dead letter in doubt",
        );
    }
}
