//! Checks arguments that are written out, so that a mistake in them is reported before any record
//! comes.

use jaq_core::load::parse::Term;

use crate::{CompileError, compile_error::literal_error, functions, syntax};

/// Refuses formats, time zones, regexes and codes that are written out in a source and cannot be
/// right.
pub(crate) fn refuse(source: &str, term: &mut Term<&str>) -> Result<(), CompileError> {
    let (mut defined, mut calls) = (Vec::new(), Vec::new());
    syntax::visit(term, &mut |term| match term {
        Term::Def(definitions, _) => {
            defined.extend(definitions.iter().map(|definition| definition.name))
        }
        Term::Call(name, arguments) => {
            calls.push((*name, arguments.iter().map(syntax::literal).collect()))
        }
        _ => {}
    });
    // A definition of the source's own may take what it likes.
    calls.retain(|(name, _)| !defined.contains(name));
    calls
        .into_iter()
        .try_for_each(|(name, arguments): (_, Vec<_>)| {
            functions::check(name, &arguments)
                .map_err(|message| literal_error(source, name, message))
        })
}

#[cfg(test)]
mod tests {
    use crate::Expression;

    #[test]
    fn arguments_that_are_written_out_and_cannot_be_right_are_refused() {
        let cases = [
            (
                r#"{a: .a | date("%d.%K.%Y")}"#,
                9,
                "'%d.%K.%Y' is no format",
            ),
            (r#".a | date("%H:%M")"#, 5, "lacks a date"),
            (
                r#".a | datetime("%d.%m.%Y %H:%M")"#,
                5,
                "lacks an offset (%z)",
            ),
            (
                r#".a | datetime("%d.%m.%Y"; "Europe/Warszawa")"#,
                5,
                "there is no time zone 'Europe/Warszawa'",
            ),
            (
                r#".a | in_zone("Warsaw")"#,
                5,
                "there is no time zone 'Warsaw'",
            ),
            (r#".a | format_date("%"; $zone)"#, 5, "is no format"),
            (
                r#".a | format_date("%F"; "Mars/Base")"#,
                5,
                "there is no time zone",
            ),
            (
                r#".a | datetime("%F %T %Z"; "UTC")"#,
                5,
                "no format to read by",
            ),
            (r#".a | phone("Polska")"#, 5, "'Polska' is no region's code"),
            (
                r#".a | minor_units("ZLO")"#,
                5,
                "'ZLO' is no currency's code",
            ),
            (r#"[.a | test("(")]"#, 6, "invalid regex: "),
            (r#"[.a | gsub("[z-a]"; "")]"#, 6, "invalid regex: "),
            (r#".a | split("a"; "q")"#, 5, "invalid regex flag: q"),
        ];
        for (source, offset, message) in cases {
            let source = source.replace("$zone", ".zone");
            let refused = Expression::compile(&source).expect_err(&source);
            assert!(
                refused.message.contains(message),
                "{source}: {}",
                refused.message
            );
            assert_eq!(refused.offset, offset, "{source}");
        }
        for source in [
            r#"def date($format): 1; date("%K")"#,
            r#"date(.format), in_zone("\(.zone)"), test(.regex), split("(")"#,
            r#"datetime("%F %T"; .zone), datetime("%F %T%z"), datetime("%s"), datetime("%A, %d %B %Y %I:%M %p"; "UTC")"#,
            r#"date("%y%m%d"), date("%G-W%V-%u"), date("%Y%j"), format_date("%A %-d %b"), test("\\d+"; "x")"#,
            r#"phone("pl", "GB"), minor_units("jpy"), from_minor_units("EUR")"#,
        ] {
            let compiled = Expression::compile(source);
            assert!(compiled.is_ok(), "{source}: {compiled:?}");
        }
    }
}
