//! Compiling the section `extract` of flows.

mod listing;
mod paginate;

use std::sync::Arc;

use pomost_models::flow::{DeletionsSection, ExtractSection, FetchSection, FlowFile};

use self::listing::listing;
use super::{FileCompiler, cursor, optional, schedule, webhook};
use crate::{
    environment::Environment,
    flow::{DeletionRules, ExtractRules, FetchRequest, ListingRequest},
};

pub(crate) fn compile(
    compiler: &mut FileCompiler<'_>,
    file: &FlowFile,
    environment: &Environment,
) -> Option<ExtractRules> {
    let section = &file.extract;
    check_deletes(compiler, file);
    check_sweep(compiler, section);
    check_is_read(compiler, section);
    let cursor = optional(section.cursor.as_ref(), |section| {
        cursor::cursor(compiler, section)
    });
    let listing = optional(section.listing.as_ref(), |listing| {
        let token = section
            .cursor
            .as_ref()
            .map_or(Some(None), |cursor| cursor::sync_token(compiler, cursor));
        self::listing(compiler, "/extract", listing, token?)
    });
    let for_each = optional(section.for_each.as_ref(), |section| {
        self::listing(compiler, "/extract/for_each", section, None)
    });
    let fetch = optional(section.fetch.as_ref(), |section| fetch(compiler, section));
    let deletions = optional(section.deletions.as_ref(), |deletions| {
        self::deletions(compiler, section, deletions)
    });
    let key = compiler.expression("/extract/key", &section.key);
    let version = compiler.optional("/extract/version", section.version.as_ref());
    check_version_type(compiler, section);
    let timezone = schedule::zone(compiler, "/extract/timezone", section.timezone.as_ref());
    let deleted = compiler.optional("/extract/deleted", section.deleted.as_ref());
    let schedule = optional(section.schedule.as_ref(), |section| {
        schedule::schedule(compiler, section)
    });
    let webhook = optional(section.webhook.as_ref(), |webhook| {
        webhook::webhook(compiler, webhook, section, environment).map(Arc::new)
    });
    let answers = compiler.answers("/extract/answers", &section.answers);
    if let (Some(Some(listing)), Some(for_each)) = (&listing, &for_each) {
        check_variables(compiler, section, listing, for_each.as_ref());
    }
    Some(ExtractRules {
        system: section.system.0.clone(),
        listing: listing?,
        for_each: for_each?,
        fetch: fetch?,
        key: key?,
        version: version?,
        version_type: section.version_type,
        timezone: timezone?,
        cursor: cursor?,
        deleted: deleted?,
        deletions: deletions?,
        sweep: section.sweep.as_ref().map(|sweep| sweep.max_deletes),
        schedule: schedule?,
        webhook: webhook?,
        answers: answers?,
    })
}

fn check_deletes(compiler: &mut FileCompiler<'_>, file: &FlowFile) {
    let extract = &file.extract;
    let recognised = [
        ("/extract/deleted", extract.deleted.is_some()),
        ("/extract/deletions", extract.deletions.is_some()),
        ("/extract/sweep", extract.sweep.is_some()),
        (
            "/extract/webhook/deleted",
            extract
                .webhook
                .as_ref()
                .is_some_and(|webhook| webhook.deleted.is_some()),
        ),
    ];
    let can_delete =
        file.load.delete.is_some() || file.load.table.is_some() || file.load.files.is_some();
    for (pointer, _) in recognised
        .into_iter()
        .filter(|(_, given)| *given && !can_delete)
    {
        compiler.refuse_with_help(
            pointer,
            "deleted records are recognised, but the flow does not say how to delete them",
            "add load.delete, or leave this out",
        );
    }
}

/// Checks that there is a request where something says how to read, or else a webhook.
fn check_is_read(compiler: &mut FileCompiler<'_>, section: &ExtractSection) {
    if section.listing.is_some() {
        return;
    }
    if section.webhook.is_none() {
        let missing = "'request' is missing, which lists the records, such as GET /customers; or 'webhook', if the source \
                       delivers them by itself";
        return compiler.refuse_key("/extract", missing);
    }
    for key in READING_KEYS {
        let pointer = format!("/extract/{key}");
        if compiler.document.value.pointer(&pointer).is_some() {
            let help = "add 'request', or leave this out";
            compiler.refuse_with_help(
                &pointer,
                "the flow reads nothing: it has a webhook and no 'request'",
                help,
            );
        }
    }
}

/// The keys that say how to read.
const READING_KEYS: [&str; 13] = [
    "headers",
    "body",
    "body_format",
    "paginate",
    "format",
    "records",
    "for_each",
    "cursor",
    "deletions",
    "sweep",
    "schedule",
    "request",
    "answers",
];

fn check_sweep(compiler: &mut FileCompiler<'_>, section: &ExtractSection) {
    let by_value = section
        .cursor
        .as_ref()
        .is_some_and(|cursor| cursor.value.is_some());
    if section.sweep.is_some() && by_value {
        compiler.refuse_with_help(
            "/extract/sweep",
            "a flow with a cursor reads only what is new, so what it does not list is not deleted",
            "leave extract.cursor out, or recognise deletions by 'deleted' or 'deletions'",
        );
    }
}

fn fetch(compiler: &mut FileCompiler<'_>, section: &FetchSection) -> Option<FetchRequest> {
    let request = compiler.request("/extract/fetch", &section.request);
    let format = compiler.format("/extract/fetch/format", section.format.as_ref());
    let record = compiler.optional("/extract/fetch/record", section.record.as_ref());
    Some(FetchRequest {
        request: request?,
        format: format?,
        record: record?,
    })
}

fn deletions(
    compiler: &mut FileCompiler<'_>,
    extract: &ExtractSection,
    section: &DeletionsSection,
) -> Option<DeletionRules> {
    let listing = listing(compiler, "/extract/deletions", &section.listing, None);
    let key = compiler.expression("/extract/deletions/key", &section.key);
    let version = compiler.optional("/extract/deletions/version", section.version.as_ref());
    if extract.version.is_some() && section.version.is_none() {
        compiler.refuse_with_help(
            "/extract/deletions",
            "the flow's records have a version, so their deletions need one too, to be ordered among the changes",
            "add 'version', such as .deleted_at",
        );
    }
    Some(DeletionRules {
        listing: listing?,
        key: key?,
        version: version?,
        version_type: extract.version_type,
    })
}

fn check_version_type(compiler: &mut FileCompiler<'_>, section: &ExtractSection) {
    let webhook = section
        .webhook
        .as_ref()
        .is_some_and(|webhook| webhook.version.is_some());
    if section.version_type.is_some() && section.version.is_none() && !webhook {
        compiler.refuse_key_with_help(
            "/extract/version_type",
            "no version is given for it to be about",
            "add 'version', such as .updated_at, or leave this out",
        );
    }
}

/// Checks the variables of the requests. A variable that is always null is a mistake.
fn check_variables(
    compiler: &mut FileCompiler<'_>,
    section: &ExtractSection,
    listing: &ListingRequest,
    for_each: Option<&ListingRequest>,
) {
    let requests: Vec<_> = [Some(listing), for_each]
        .into_iter()
        .flatten()
        .map(|listing| &listing.request)
        .collect();
    cursor::check_requests(compiler, section, listing, &requests);
    if section.for_each.is_some() && !listing.request.uses_variable("parent") {
        compiler.warn(
            "/extract/for_each",
            "extract.request does not use $parent, so it asks the same for each row",
        );
    }
    if section.for_each.is_none() && listing.request.uses_variable("parent") {
        compiler.refuse_with_help(
            "/extract/request",
            "$parent is used, but the flow has no for_each",
            "add extract.for_each, which lists the parents",
        );
    }
}
