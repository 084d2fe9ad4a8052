//! Compiling `flows/*.yaml`.

use pomost_expression::Expression;
use pomost_models::flow::{FlowFile, ResourceName, TransformSection};

use super::{Compile, extract, load, nearest};
use crate::{Flow, environment::Environment, flow::TransformRules};

pub(crate) fn compile(
    compile: &mut Compile<'_>,
    file: &FlowFile,
    name: &str,
    systems: &[&str],
    environment: &Environment,
) -> Option<Flow> {
    compile.check_name("/flow", &file.flow.0, name);
    check_system(compile, "/extract/system", &file.extract.system, systems);
    if let Some(system) = &file.load.system {
        check_system(compile, "/load/system", system, systems);
    }
    let extract = extract::compile(compile, file, environment);
    let transform = transform(compile, &file.transform, file.extract.expect.as_ref());
    let load = load::compile(compile, file, environment);
    let sensitive = (0..)
        .zip(&file.sensitive)
        .map(|(number, path)| compile.expression(&format!("/sensitive/{number}"), path));
    let sensitive: Vec<Option<Expression>> = sensitive.collect();
    Some(Flow {
        name: name.to_owned(),
        version: String::new(),
        extract: extract?,
        transform: transform?,
        load: load?,
        sensitive: sensitive.into_iter().collect::<Option<_>>()?,
        batch_size: file.batch_size as usize,
    })
}

fn check_system(compile: &mut Compile<'_>, pointer: &str, name: &ResourceName, systems: &[&str]) {
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
) -> Option<TransformRules> {
    let expect = compile.schema("/extract/expect", expect);
    let map = compile.optional("/transform/map", section.map.as_ref());
    let produce = compile.schema("/transform/produce", section.produce.as_ref());
    Some(TransformRules {
        expect: expect?,
        map: map?,
        produce: produce?,
    })
}
