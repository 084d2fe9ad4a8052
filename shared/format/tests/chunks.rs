//! The rows of a body do not depend on how it is cut into chunks, and whatever it holds, it
//! gives rows or an error and no panic.

#![allow(clippy::unwrap_used)]

mod support;

use fastrand::Rng;
use pomost_format::{
    BodyFormat, CsvOptions, DecodeError, DecodeLimits, DecodeProblem, FormatSyntax, RowPath,
};

use support::{Outcome, PIECES, bodies, outcome};

#[test]
fn every_body_can_be_read() {
    for (format, list, body) in bodies() {
        let whole = outcome(&format, list.as_ref(), [body]);
        assert_eq!(whole.error, None, "{}", format.name());
        let rows = usize::from(list != Some(support::list(".none[]?")));
        assert!(whole.rows.len() >= rows, "{}", format.name());
    }
}

#[test]
fn a_body_may_be_cut_anywhere() {
    for (format, list, body) in bodies() {
        same_however_it_is_cut(&format, list.as_ref(), body);
    }
}

#[test]
fn an_error_is_the_same_wherever_a_body_is_cut() {
    let mut errors = 0;
    for (format, list, body) in bodies() {
        let mut rng = Rng::with_seed(1);
        for _ in 0..15 {
            let broken = mutated(body, &mut rng);
            errors += usize::from(
                same_however_it_is_cut(&format, list.as_ref(), &broken)
                    .error
                    .is_some(),
            );
        }
    }
    assert!(errors > 30, "{errors}");
}

#[test]
fn a_limit_holds_wherever_a_body_is_cut() {
    for (format, list, body) in bodies() {
        let mut refused = 0;
        for limit in (0..body.len()).step_by(5) {
            let format = BodyFormat {
                limits: DecodeLimits {
                    row: limit,
                    document: limit,
                },
                ..format.clone()
            };
            let outcome = outcome(&format, list.as_ref(), [body]);
            for size in 1..8 {
                let piecewise = support::outcome(&format, list.as_ref(), body.chunks(size));
                assert_eq!(
                    piecewise,
                    outcome,
                    "{} up to {limit} by {size}",
                    format.name()
                );
            }
            refused += usize::from(too_large(outcome.error.as_ref()));
        }
        assert!(refused > 0, "{}", format.name());
    }
}

#[test]
fn a_body_that_is_cut_off_is_an_error_unless_it_could_end_there() {
    for (format, list, body) in bodies() {
        let whole = outcome(&format, list.as_ref(), [body]);
        let end = body.trim_ascii_end().len();
        for length in 0..end {
            let cut = outcome(&format, list.as_ref(), [&body[..length]]);
            let text = String::from_utf8_lossy(&body[..length]);
            match format.syntax {
                FormatSyntax::Json | FormatSyntax::Xml(_) => {
                    assert!(is_truncated(&cut), "{} {text}: {cut:?}", format.name())
                }
                // The last row may be a part of one, which nobody can tell from a row.
                _ => {
                    let complete = cut.rows.len().saturating_sub(1);
                    assert_eq!(cut.rows[..complete], whole.rows[..complete], "{text}");
                }
            }
        }
    }
}

#[test]
fn whatever_a_body_holds_it_gives_rows_or_an_error() {
    for (format, list, body) in bodies() {
        let mut rng = Rng::with_seed(2);
        for _ in 0..2000 {
            let mut broken = mutated(body, &mut rng);
            for _ in 0..rng.usize(0..4) {
                broken = mutated(&broken, &mut rng);
            }
            outcome(&format, list.as_ref(), [&broken[..]]);
        }
    }
}

#[test]
fn no_error_tells_a_value() {
    let csv = BodyFormat::from(FormatSyntax::Csv(CsvOptions::default()));
    let xml_body = b"<o><r a='xyzzy'><b>xyzzy</b><![CDATA[xyzzy]]></r><c>xyzzy</c></o>";
    let mut errors = 0;
    for (format, list, body) in [
        (
            BodyFormat::default(),
            None,
            &br#"{"a":["xyzzy",{"b":"xyzzy"}],"c":"xyzzy"}"#[..],
        ),
        (
            BodyFormat::default(),
            Some(support::list(".a[]")),
            br#"{"a":["xyzzy",{"b":"xyzzy"}],"c":"xyzzy"}"#,
        ),
        (
            FormatSyntax::JsonLines.into(),
            None,
            b"{\"a\":\"xyzzy\"}\n\"xyzzy\"\n",
        ),
        (csv, None, b"xyzzy,\"xyzzy\"\nxyzzy,\"xyzzy\"\n"),
        (support::xml("/o/r"), None, xml_body),
        (support::xml(""), None, xml_body),
    ] {
        let mut rng = Rng::with_seed(3);
        for _ in 0..3000 {
            let broken = mutated(&mutated(body, &mut rng), &mut rng);
            let Some(error) = outcome(&format, list.as_ref(), [&broken[..]]).error else {
                continue;
            };
            assert!(!error.to_string().contains("xyz"), "{error}");
            errors += 1;
        }
    }
    assert!(errors > 5000, "{errors}");
}

/// The rows of a body that is read at once, byte by byte, in two pieces and in random ones.
fn same_however_it_is_cut(format: &BodyFormat, list: Option<&RowPath>, body: &[u8]) -> Outcome {
    let whole = outcome(format, list, [body]);
    let text = String::from_utf8_lossy(body);
    assert_eq!(
        outcome(format, list, body.chunks(1)),
        whole,
        "byte by byte: {text}"
    );
    for at in 0..=body.len() {
        assert_eq!(
            outcome(format, list, [&body[..at], &body[at..]]),
            whole,
            "cut at {at}: {text}"
        );
    }
    for size in 2..8 {
        assert_eq!(
            outcome(format, list, body.chunks(size)),
            whole,
            "by {size}: {text}"
        );
    }
    whole
}

/// The body with a piece of it dropped, doubled, or overwritten with what means something.
fn mutated(body: &[u8], rng: &mut Rng) -> Vec<u8> {
    let from = rng.usize(0..=body.len());
    let to = (from + rng.usize(0..6)).min(body.len());
    let piece: &[u8] = match rng.u8(0..3) {
        0 => b"",
        1 => &body[from..to],
        _ => PIECES[rng.usize(0..PIECES.len())],
    };
    let kept = if rng.bool() { from } else { to };
    [&body[..from], piece, &body[kept..]].concat()
}

fn is_truncated(outcome: &Outcome) -> bool {
    matches!(
        &outcome.error,
        Some(DecodeError {
            problem: DecodeProblem::Truncated(_),
            ..
        })
    )
}

fn too_large(error: Option<&DecodeError>) -> bool {
    matches!(
        error,
        Some(DecodeError {
            problem: DecodeProblem::TooLarge { .. },
            ..
        })
    )
}
