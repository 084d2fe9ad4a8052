//! Compiling `flows/*.yaml`.

use pomost_expression::Expression;
use pomost_models::flow::{FlowFile, LoadSection, LookupSection, Name, TransformSection};

use super::{Compile, extract, nearest};
use crate::{
    Flow,
    environment::Environment,
    flow::{Create, Load, Lookup, Request, Transform},
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
    let extract = extract::compile(compile, file, environment);
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
        Some(delete) => compile.addressed_request("/load/delete", &delete.request).map(Some),
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
    let request = compile.addressed_request("/load/lookup", &section.request);
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
