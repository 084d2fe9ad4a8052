//! Compiling `load.batch`.

use pomost_expression::Expression;
use pomost_models::flow::{BatchSection, FlowFile, VerdictRuleSection};

use super::Compile;
use crate::{
    destination::{BatchRequests, SystemDestination, VerdictRule},
    request::{RECORD_VARIABLES, RequestTemplate},
};

pub(crate) fn compile(compile: &mut Compile<'_>, section: &BatchSection) -> Option<BatchRequests> {
    let results = compile.optional("/load/batch/results", section.results.as_ref());
    let key = compile.optional("/load/batch/key", section.key.as_ref());
    let rejected = compile.optional("/load/batch/rejected", section.rejected.as_ref());
    let verdicts: Vec<_> = section
        .verdicts
        .iter()
        .enumerate()
        .map(|(number, rule)| verdict(compile, number, rule))
        .collect();
    let verdicts = verdicts.into_iter().collect::<Option<Vec<_>>>();
    check_verdicts(compile, section);
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
    compile: &mut Compile<'_>,
    number: usize,
    rule: &VerdictRuleSection,
) -> Option<VerdictRule> {
    let when = compile.expression(&format!("/load/batch/verdicts/{number}/when"), &rule.when)?;
    Some(VerdictRule {
        when,
        means: rule.means,
    })
}

/// What is read from a verdict needs verdicts, and verdicts that nobody reads are all acceptances.
fn check_verdicts(compile: &mut Compile<'_>, section: &BatchSection) {
    let readers = [
        ("/load/batch/key", section.key.is_some()),
        ("/load/batch/rejected", section.rejected.is_some()),
        ("/load/batch/verdicts", !section.verdicts.is_empty()),
    ];
    if section.results.is_none() {
        for (pointer, _) in readers.iter().filter(|(_, given)| *given) {
            let help = "add load.batch.results, the verdicts in an answer, such as .results[]";
            compile.refuse_with_help(
                pointer,
                "this is read from verdicts, but nothing says where they are",
                help,
            );
        }
    } else if section.rejected.is_none() && section.verdicts.is_empty() {
        compile.warn(
            "/load/batch/results",
            "neither 'rejected' nor 'verdicts' says which verdicts are refusals",
        );
    }
}

/// What a request for many records cannot have, and whether there is one at all.
pub(crate) fn check(compile: &mut Compile<'_>, requests: &SystemDestination, file: &FlowFile) {
    let Some(batch) = &requests.batch else { return };
    if batch.size > file.batch_size as usize {
        let size = format!(
            "no request has more records than a message: the flow's batch_size is {}",
            file.batch_size
        );
        compile.warn("/load/batch/size", size);
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
        compile.refuse_with_help(
            "/load/batch",
            "every request of the flow names a record in its path, so none is for many",
            "leave this out, or use a request such as POST /customers/batch",
        );
    }
    for (pointer, request) in for_many {
        check_request(compile, pointer, request);
        check_section(compile, pointer, requests, batch);
    }
}

fn check_request(compile: &mut Compile<'_>, pointer: &str, request: &RequestTemplate) {
    let names = |uses: &dyn Fn(&str) -> bool| RECORD_VARIABLES.into_iter().find(|name| uses(name));
    for (name, template) in &request.headers {
        if template.needs_input() || names(&|name| template.uses_variable(name)).is_some() {
            let message = "the request is for many records, so a header can say nothing about one";
            compile.refuse(&format!("{pointer}/headers/{name}"), message);
        }
    }
    let used = request
        .body
        .as_ref()
        .and_then(|body: &Expression| names(&|name| body.uses_variable(name)));
    if let Some(name) = used {
        compile.refuse_with_help(
            &format!("{pointer}/body"),
            format!("the request is for many records, so there is no ${name}"),
            format!("`.` is the list of them: [.[] | .{name}]"),
        );
    }
    if pointer == "/load/delete" && request.body.is_none() {
        let message = "the request is for many records, but nothing says which";
        compile.refuse_with_help("/load/delete", message, "add a body, such as '[.[] | .id]'");
    }
}

fn check_section(
    compile: &mut Compile<'_>,
    pointer: &str,
    requests: &SystemDestination,
    batch: &BatchRequests,
) {
    let create = requests
        .create
        .as_ref()
        .filter(|_| pointer == "/load/create");
    if create.is_some_and(|create| create.id.is_some()) && batch.results.is_none() {
        compile.refuse_with_help(
            "/load/create/id",
            "the id is read from a record's verdict, but nothing says where the verdicts are",
            "add load.batch.results, such as .results[]",
        );
    }
    if create.is_some_and(|create| create.idempotency_header.is_some()) {
        compile.refuse_with_help(
            "/load/create/idempotency_header",
            "a request for many records is hardly ever made again with the same ones, so it cannot be recognised",
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
        compile.refuse(&format!("{pointer}/if_match"), message);
    }
}
