//! A token in a header or in the query.

use pomost_project::webhook::{TokenVerification, WebhookTokenPlace};

use super::{
    super::request::ReceivedRequest,
    Error,
    secrets::{is_one_of, strip_scheme},
};

pub(super) fn verify(rules: &TokenVerification, request: &ReceivedRequest) -> Result<(), Error> {
    let offered = match &rules.place {
        WebhookTokenPlace::Header { name, prefix } => request
            .header(name)
            .and_then(|value| strip_scheme(prefix, &value).map(str::to_owned)),
        WebhookTokenPlace::Query { name } => request.query(name),
    };
    match offered.is_some_and(|offered| is_one_of(&offered, &rules.secrets)) {
        true => Ok(()),
        false => Err(Error::Token),
    }
}
