//! Compiling `alerts.yaml`.

use pomost_models::alerts::AlertsFile;
use secrecy::ExposeSecret;

use super::{FileCompiler, system::AuthContext};
use crate::{
    alerts::{AlertRules, BurstRule},
    environment::Environment,
};

pub(crate) fn compile(
    compiler: &mut FileCompiler<'_>,
    file: &AlertsFile,
    environment: &Environment,
) -> Option<AlertRules> {
    compiler.check_not_zero("/dead_letters/within", Some(file.dead_letters.within.0));
    let context = AuthContext {
        allow_http: file.allow_http,
        has_certificate: false,
    };
    let url = compiler.secret("/url", &file.url, environment)?;
    compiler.url("/url", url.expose_secret(), context)?;
    let dead_letters = BurstRule {
        count: file.dead_letters.count,
        within: file.dead_letters.within.0,
    };
    Some(AlertRules {
        url,
        dead_letters,
        overdue: file.overdue,
    })
}
