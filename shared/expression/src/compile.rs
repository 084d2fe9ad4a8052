//! Compiling: from the text of an expression to what jaq runs.

use jaq_core::{
    Compiler, Filter,
    load::{
        self, Arena, Loader,
        parse::{Def, Term},
    },
};

use crate::{
    CompileError, arithmetic, bounds, brackets::OpenBrackets, budget::BoundedData,
    compile_error::compile_error, forms, functions, literals, recursion, surrogates, syntax,
};

/// Number of levels to which brackets and texts may be nested in an expression. The compiler calls
/// itself for each level, so its stack is the limit.
const MAX_NESTING: usize = 128;

/// Compiles a source. `change` may change its terms before they are compiled.
pub(crate) fn filter(
    source: &str,
    variables: &[&str],
    change: for<'s> fn(&'s str, &'s Arena, &mut Term<&'s str>),
) -> Result<Filter<BoundedData>, CompileError> {
    refuse_deep_nesting(source)?;
    let arena = Arena::default();
    let source = surrogates::hidden(source, &arena);
    let mut term = syntax::parse(source, &arena)?;
    // Checked as its author wrote it, before terms become calls that stand nowhere in the source.
    recursion::refuse(source, &mut term)?;
    literals::refuse(source, &mut term)?;
    // Marks tell the places of the author's own terms, so they go in before those are replaced.
    change(source, &arena, &mut term);
    forms::replace(source, &arena, &mut term)?;
    arithmetic::make_exact(&mut term);
    // Bounds come last: what the terms were replaced by can loop as well.
    bounds::bound(&mut term);
    let name = name_of(source);
    let modules = Loader::new(definitions(&name, term))
        .load(
            &arena,
            load::File {
                code: &name,
                path: (),
            },
        )
        .map_err(|_| CompileError {
            offset: 0,
            message: "not jq".into(),
            help: None,
        })?;
    let names: Vec<String> = variables.iter().map(|name| format!("${name}")).collect();
    Compiler::default()
        .with_funs(functions::all())
        .with_global_vars(names.iter().map(String::as_str))
        .compile(modules)
        .map_err(|errors| compile_error(source, errors))
}

/// jaq reads nested brackets by recursion, without a limit of its own.
fn refuse_deep_nesting(source: &str) -> Result<(), CompileError> {
    let mut brackets = OpenBrackets::default();
    match source
        .bytes()
        .position(|byte| brackets.take(byte) > MAX_NESTING)
    {
        Some(offset) => Err(CompileError {
            offset,
            message: format!("nested deeper than {MAX_NESTING} levels"),
            help: None,
        }),
        None => Ok(()),
    }
}

/// The definitions of jq's standard library that are written in jq, and after them the expression
/// itself, by a name: jaq's loader takes terms in no other way.
fn definitions<'s>(name: &'s str, expression: Term<&'s str>) -> impl Iterator<Item = Def<&'s str>> {
    functions::definitions().chain([Def {
        name,
        args: Vec::new(),
        body: expression,
    }])
}

/// A name that a source does not have, so that it cannot call itself.
fn name_of(source: &str) -> String {
    let mut name = "expression".to_owned();
    while source.contains(&name) {
        name.push('_');
    }
    name
}
