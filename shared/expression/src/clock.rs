//! The time zone in whose clock an expression reads times.

use jaq_core::load::{Arena, parse::Term};
use jiff::tz::TimeZone;

use crate::{surrogates, syntax};

/// The time zone, written out, in which the source reads times that name none: the argument of
/// `datetime($format; $zone)`. Clocks of a zone are put back, so that times that they read may
/// repeat.
pub(crate) fn of(source: &str) -> Option<TimeZone> {
    let arena = Arena::default();
    let mut term = syntax::parse(surrogates::hidden(source, &arena), &arena).ok()?;
    let mut zones = Vec::new();
    syntax::visit(&mut term, &mut |term| {
        if let Term::Call("datetime", arguments) = term {
            zones.extend(arguments.get(1).and_then(syntax::literal));
        }
    });
    zones.iter().find_map(|zone| TimeZone::get(zone).ok())
}

#[cfg(test)]
mod tests {
    use crate::Expression;

    #[test]
    fn an_expression_that_reads_times_of_a_clock_says_whose() {
        let zone = |source: &str| {
            let expression = Expression::compile(source).unwrap();
            expression
                .clock()
                .and_then(|zone| zone.iana_name())
                .map(str::to_owned)
        };
        let warsaw = Some("Europe/Warsaw".to_owned());
        assert_eq!(zone(r#".at | datetime("%F %T"; "Europe/Warsaw")"#), warsaw);
        assert_eq!(
            zone(r#"(.at // .made) | if . then datetime("%F"; "Europe/Warsaw") else null end"#),
            warsaw
        );
        assert_eq!(zone(r#".at | datetime("%F %T%z")"#), None);
        assert_eq!(zone(r#".at | in_zone("Europe/Warsaw")"#), None);
        assert_eq!(zone(r#".at | datetime("%F"; .zone)"#), None);
    }
}
