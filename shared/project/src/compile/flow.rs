//! Compiling `flows/*.yaml`.

use pomost_expression::Expression;
use pomost_models::flow::{FlowFile, ResourceName, TransformSection};

use super::{FileCompiler, extract, load, nearest};
use crate::{Flow, environment::Environment, flow::TransformRules};

pub(crate) fn compile(
    compiler: &mut FileCompiler<'_>,
    file: &FlowFile,
    name: &str,
    systems: &[&str],
    environment: &Environment,
) -> Option<Flow> {
    compiler.check_name("/flow", &file.flow.0, name);
    check_system(compiler, "/extract/system", &file.extract.system, systems);
    if let Some(system) = &file.load.system {
        check_system(compiler, "/load/system", system, systems);
    }
    let extract = extract::compile(compiler, file, environment);
    let transform = transform(compiler, &file.transform, file.extract.expect.as_ref());
    let load = load::compile(compiler, file, environment);
    let sensitive = (0..)
        .zip(&file.sensitive)
        .map(|(number, path)| compiler.expression(&format!("/sensitive/{number}"), path));
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

fn check_system(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    name: &ResourceName,
    systems: &[&str],
) {
    if !systems.contains(&name.0.as_str()) {
        compiler.refuse_with_help(
            pointer,
            format!("there is no system '{}'", name.0),
            nearest(&name.0, systems),
        );
    }
}

fn transform(
    compiler: &mut FileCompiler<'_>,
    section: &TransformSection,
    expect: Option<&String>,
) -> Option<TransformRules> {
    let expect = compiler.schema("/extract/expect", expect);
    let map = compiler.optional("/transform/map", section.map.as_ref());
    let produce = compiler.schema("/transform/produce", section.produce.as_ref());
    Some(TransformRules {
        expect: expect?,
        map: map?,
        produce: produce?,
    })
}
