//! Compiling `extract.schedule`.

use croner::{Cron, errors::CronError};
use jiff::{Timestamp, tz::TimeZone};
use pomost_models::flow::ScheduleSection;

use super::{FileCompiler, optional};
use crate::schedule::Schedule;

const SECTION: &str = "/extract/schedule";

pub(super) fn schedule(
    compiler: &mut FileCompiler<'_>,
    section: &ScheduleSection,
) -> Option<Schedule> {
    let timezone = timezone(compiler, section);
    match (section.every, &section.cron) {
        (Some(every), None) => {
            let every = every.0;
            compiler.check_not_zero("/extract/schedule/every", Some(every));
            timezone.map(|_| Schedule::Every(every))
        }
        (None, Some(cron)) => {
            let pattern = pattern(cron).map_err(|error| refuse_cron(compiler, &error));
            Some(Schedule::Cron {
                pattern: Box::new(pattern.ok()?),
                timezone: timezone?,
            })
        }
        _ => {
            compiler.refuse(
                SECTION,
                "expected one of 'every', such as 5m, and 'cron', such as \"0 6 * * MON-FRI\"",
            );
            None
        }
    }
}

/// A cron pattern. It must have a next time, unlike `0 0 30 2 *`.
fn pattern(text: &str) -> Result<Cron, CronError> {
    let pattern: Cron = text.parse()?;
    pattern.find_next_occurrence(&Timestamp::now().to_zoned(TimeZone::UTC), false)?;
    Ok(pattern)
}

fn refuse_cron(compiler: &mut FileCompiler<'_>, error: &CronError) {
    let message = match error {
        CronError::TimeSearchLimitExceeded => "there is no such time".to_owned(),
        error => error.to_string(),
    };
    compiler.refuse_with_help(
        &format!("{SECTION}/cron"),
        message,
        "minute, hour, day of the month, month, day of the week: \"0 6 * * MON-FRI\" is each working day at six",
    );
}

fn timezone(compiler: &mut FileCompiler<'_>, section: &ScheduleSection) -> Option<TimeZone> {
    let Some(name) = &section.timezone else {
        return Some(TimeZone::UTC);
    };
    let pointer = format!("{SECTION}/timezone");
    if section.cron.is_none() {
        compiler.refuse_with_help(
            &pointer,
            "an interval has no time zone",
            "leave this out, or use 'cron'",
        );
        return None;
    }
    zone_named(compiler, &pointer, name)
}

/// The time zone with this name. The inner `None` means that no name is given.
pub(super) fn zone(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    name: Option<&String>,
) -> Option<Option<TimeZone>> {
    optional(name, |name| zone_named(compiler, pointer, name))
}

fn zone_named(compiler: &mut FileCompiler<'_>, pointer: &str, name: &str) -> Option<TimeZone> {
    let zone = TimeZone::get(name);
    zone.map_err(|_| {
        compiler.refuse(
            pointer,
            "expected the name of a time zone, such as Europe/Warsaw",
        )
    })
    .ok()
}
