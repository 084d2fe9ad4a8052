//! Compiling `load.batch`.

use pomost_expression::Expression;
use pomost_models::flow::{BatchSection, FlowFile, VerdictRuleSection};

use super::FileCompiler;
use crate::{
    destination::{BatchRequests, SystemDestination, VerdictRule},
    request::{RECORD_VARIABLES, RequestTemplate},
};

pub(crate) fn compile(
    compiler: &mut FileCompiler<'_>,
    section: &BatchSection,
) -> Option<BatchRequests> {
    let results = compiler.optional("/load/batch/results", section.results.as_ref());
    let key = compiler.optional("/load/batch/key", section.key.as_ref());
    let rejected = compiler.optional("/load/batch/rejected", section.rejected.as_ref());
    let verdicts: Vec<_> = section
        .verdicts
        .iter()
        .enumerate()
        .map(|(number, rule)| verdict(compiler, number, rule))
        .collect();
    let verdicts = verdicts.into_iter().collect::<Option<Vec<_>>>();
    check_verdicts(compiler, section);
    let size = section.size as usize;
    Some(BatchRequests {
        size,
        results: results?,
        key: key?,
        rejected: rejected?,
        verdicts: verdicts?,
    })
}

fn verdict(
    compiler: &mut FileCompiler<'_>,
    number: usize,
    rule: &VerdictRuleSection,
) -> Option<VerdictRule> {
    let when = compiler.expression(&format!("/load/batch/verdicts/{number}/when"), &rule.when)?;
    Some(VerdictRule {
        when,
        means: rule.means,
    })
}

/// Checks that there are verdicts where something is read from them, and that something says which
/// verdicts are refusals.
fn check_verdicts(compiler: &mut FileCompiler<'_>, section: &BatchSection) {
    let readers = [
        ("/load/batch/key", section.key.is_some()),
        ("/load/batch/rejected", section.rejected.is_some()),
        ("/load/batch/verdicts", !section.verdicts.is_empty()),
    ];
    if section.results.is_none() {
        for (pointer, _) in readers.iter().filter(|(_, given)| *given) {
            let help = "add load.batch.results, the verdicts in an answer, such as .results[]";
            compiler.refuse_with_help(
                pointer,
                "this is read from verdicts, but nothing says where they are",
                help,
            );
        }
    } else if section.rejected.is_none() && section.verdicts.is_empty() {
        compiler.warn(
            "/load/batch/results",
            "neither 'rejected' nor 'verdicts' says which verdicts are refusals",
        );
    }
}

/// Checks the requests that are sent for many records, and that there is one.
pub(crate) fn check(
    compiler: &mut FileCompiler<'_>,
    requests: &SystemDestination,
    file: &FlowFile,
) {
    let Some(batch) = &requests.batch else { return };
    if batch.size > file.batch_size as usize {
        let size = format!(
            "no request has more records than a message: the flow's batch_size is {}",
            file.batch_size
        );
        compiler.warn("/load/batch/size", size);
    }
    let create = requests
        .create
        .as_ref()
        .map(|create| ("/load/create", &create.request));
    let update = requests
        .update
        .as_ref()
        .map(|update| ("/load/update", &update.request));
    let delete = requests
        .delete
        .as_ref()
        .map(|delete| ("/load/delete", &delete.request));
    let all = [create, update, delete].into_iter().flatten();
    let for_many: Vec<_> = all
        .filter(|(_, request)| requests.batch_for(request).is_some())
        .collect();
    if for_many.is_empty() {
        compiler.refuse_with_help(
            "/load/batch",
            "every request of the flow names a record in its path, so none is for many",
            "leave this out, or use a request such as POST /customers/batch",
        );
    }
    for (pointer, request) in for_many {
        check_request(compiler, pointer, request);
        check_section(compiler, pointer, requests, batch);
    }
}

fn check_request(compiler: &mut FileCompiler<'_>, pointer: &str, request: &RequestTemplate) {
    let names = |uses: &dyn Fn(&str) -> bool| RECORD_VARIABLES.into_iter().find(|name| uses(name));
    for (name, template) in &request.headers {
        if template.needs_input() || names(&|name| template.uses_variable(name)).is_some() {
            let message =
                "the request is for many records, so a header cannot depend on one of them";
            compiler.refuse(&format!("{pointer}/headers/{name}"), message);
        }
    }
    let used = request
        .body
        .as_ref()
        .and_then(|body: &Expression| names(&|name| body.uses_variable(name)));
    if let Some(name) = used {
        compiler.refuse_with_help(
            &format!("{pointer}/body"),
            format!("the request is for many records, so there is no ${name}"),
            format!("`.` is the list of them: [.[] | .{name}]"),
        );
    }
    if pointer == "/load/delete" && request.body.is_none() {
        let message = "the request is for many records, but its body does not say which";
        compiler.refuse_with_help("/load/delete", message, "add a body, such as '[.[] | .id]'");
    }
}

fn check_section(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    requests: &SystemDestination,
    batch: &BatchRequests,
) {
    let create = requests
        .create
        .as_ref()
        .filter(|_| pointer == "/load/create");
    if create.is_some_and(|create| create.id.is_some()) && batch.results.is_none() {
        compiler.refuse_with_help(
            "/load/create/id",
            "the id is read from a record's verdict, but nothing says where the verdicts are",
            "add load.batch.results, such as .results[]",
        );
    }
    if create.is_some_and(|create| create.idempotency_header.is_some()) {
        compiler.refuse_with_help(
            "/load/create/idempotency_header",
            "a bulk request is rarely repeated with the same records, so the destination cannot recognise it",
            "leave this out; load.lookup finds out whether a create took place",
        );
    }
    let change = if pointer == "/load/update" {
        &requests.update
    } else {
        &requests.delete
    };
    if create.is_none()
        && change
            .as_ref()
            .is_some_and(|change| change.if_match.is_some())
    {
        let message = "a request for many records has no ETag of one";
        compiler.refuse(&format!("{pointer}/if_match"), message);
    }
}
