//! Compiling the section `load`.

use std::sync::Arc;

use http::HeaderName;
use pomost_models::flow::{
    CreateSection, FlowFile, LoadSection, LookupSection, ResourceName, UpdateSection,
};

use super::{FileCompiler, batch, files, optional, table};
use crate::{
    destination::{
        CreateRequest, LoadRules, LoadTarget, LookupRequest, SystemDestination, UpdateRequest,
    },
    environment::Environment,
    request::RequestTemplate,
};

pub(crate) fn compile(
    compiler: &mut FileCompiler<'_>,
    file: &FlowFile,
    environment: &Environment,
) -> Option<LoadRules> {
    let section = &file.load;
    let to = match (&section.system, &section.table, &section.files) {
        (Some(system), None, None) => {
            requests(compiler, file, system).map(|requests| LoadTarget::System(Arc::new(requests)))
        }
        (None, Some(table), None) => {
            check_no_requests(
                compiler,
                section,
                "a table's rows are made, changed and deleted by their keys",
            );
            table::compile(compiler, table, environment)
                .map(|table| LoadTarget::Table(Arc::new(table)))
        }
        (None, None, Some(files)) => {
            check_no_requests(
                compiler,
                section,
                "what is in files is neither changed nor deleted",
            );
            files::compile(compiler, files).map(|files| LoadTarget::Files(Arc::new(files)))
        }
        _ => {
            let message = "expected exactly one of system, table and files: where the records go";
            compiler.refuse_key("/load", message);
            None
        }
    };
    Some(LoadRules {
        target: to?,
        order: section.order,
        attempts: section.retry.attempts,
    })
}

/// Refuses settings of requests where no requests are sent. They would be ignored.
fn check_no_requests(compiler: &mut FileCompiler<'_>, section: &LoadSection, reason: &str) {
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
        compiler.refuse_key_with_help(&format!("/load/{name}"), message, "leave this out");
    }
}

fn requests(
    compiler: &mut FileCompiler<'_>,
    file: &FlowFile,
    system: &ResourceName,
) -> Option<SystemDestination> {
    let section = &file.load;
    check_operations(compiler, section);
    let create = optional(section.create.as_ref(), |section| create(compiler, section));
    let update = optional(section.update.as_ref(), |section| update(compiler, section));
    let delete = optional(section.delete.as_ref(), |section| delete(compiler, section));
    let lookup = optional(section.lookup.as_ref(), |section| lookup(compiler, section));
    let batch = optional(section.batch.as_ref(), |section| {
        batch::compile(compiler, section)
    });
    let answers = compiler.answers("/load/answers", &section.answers);
    let requests = SystemDestination {
        system: system.0.clone(),
        create: create?,
        update: update?,
        delete: delete?,
        lookup: lookup?,
        batch: batch?,
        answers: answers?,
    };
    check_requests_identify_records(compiler, &requests);
    check_in_doubt(compiler, &requests);
    batch::check(compiler, &requests, file);
    Some(requests)
}

fn check_operations(compiler: &mut FileCompiler<'_>, section: &LoadSection) {
    if section.create.is_none() && section.update.is_none() && section.delete.is_none() {
        compiler.refuse(
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
        compiler.refuse_with_help(
            "/load/lookup/before_create",
            "the flow creates nothing, so every record that is not known is looked up",
            "leave this out",
        );
    }
}

fn create(compiler: &mut FileCompiler<'_>, section: &CreateSection) -> Option<CreateRequest> {
    let request = compiler.request("/load/create", &section.request);
    let id = compiler.optional("/load/create/id", section.id.as_ref());
    let idempotency_header = optional(section.idempotency_header.as_ref(), |name| {
        header(compiler, name)
    });
    Some(CreateRequest {
        request: request?,
        id: id?,
        idempotency_header: idempotency_header?,
    })
}

fn header(compiler: &mut FileCompiler<'_>, name: &str) -> Option<HeaderName> {
    let refused = "expected the name of a header, such as Idempotency-Key";
    name.parse()
        .map_err(|_| compiler.refuse("/load/create/idempotency_header", refused))
        .ok()
}

fn update(compiler: &mut FileCompiler<'_>, section: &UpdateSection) -> Option<UpdateRequest> {
    let request = compiler.request("/load/update", &section.request)?;
    Some(UpdateRequest {
        request,
        if_match: section.if_match,
    })
}

fn delete(compiler: &mut FileCompiler<'_>, section: &UpdateSection) -> Option<UpdateRequest> {
    let request = compiler.addressed_request("/load/delete", &section.request)?;
    Some(UpdateRequest {
        request,
        if_match: section.if_match,
    })
}

fn lookup(compiler: &mut FileCompiler<'_>, section: &LookupSection) -> Option<LookupRequest> {
    let request = compiler.addressed_request("/load/lookup", &section.request);
    let id = compiler.expression("/load/lookup/id", &section.id);
    Some(LookupRequest {
        request: request?,
        id: id?,
        before_create: section.before_create,
    })
}

/// Warns about a request that does not say which record it is about.
fn check_requests_identify_records(compiler: &mut FileCompiler<'_>, requests: &SystemDestination) {
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
            compiler.warn(
                pointer,
                "the request names no record: it uses neither $id nor $key nor a field",
            );
        }
    }
}

fn check_in_doubt(compiler: &mut FileCompiler<'_>, requests: &SystemDestination) {
    if !requests.can_resolve_doubt() {
        compiler.warn(
            "/load/create",
            "neither load.lookup nor load.create.idempotency_header is given: when a create breaks off, nothing can \
             tell whether it took place, and the record becomes a dead letter in doubt",
        );
    }
}
