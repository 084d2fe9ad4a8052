//! jq's functions that are defined in jq, where jaq lacks them or defines them in another way.

use jaq_core::load::{Arena, parse, parse::Def};

use crate::{arithmetic, bounds, forms};

/// The definitions. Those that do little take no step of their own; loops in them are bounded like
/// those of any other definition. The names of checks stand here without the marks at their ends.
const DEFINITIONS: &str = r#"
    def abs: if . < 0 then -. end;
    def toarray: if type == "array" then . else [.] end;
    def have_decnum: true;
    def have_literal_numbers: true;

    def range($from; $to): if ($from | type) == "number" and ($to | type) == "number" then range($from; $to; 1)
        else "Range bounds must be numeric" | error_empty end;
    def range($to): range(0; $to);

    def transpose: [range(0; (map(length) | max) // 0) as $place | [.[][$place]]];
    def in(xs): . as $key | xs | has($key);
    def inside(xs): . as $part | xs | contains($part);
    def index($part): indices($part) | .[0];
    def rindex($part): indices($part) | .[-1];
    def with_entries(f): to_entries | map(f) | from_entries;

    def trimstr($text): ltrimstr($text) | rtrimstr($text);
    def split($separator): if type == "string" and ($separator | type) == "string" then . / $separator
        else error("split input and separator must be strings") end;
    def @text: tostring;

    def IN(values): any(values == .; .);
    def IN(source; values): any(source == values; .);
    def INDEX(rows; key): reduce (rows | {(key | tostring): .}) as $entry ({}; . + $entry);
    def INDEX(key): INDEX(.[]; key);
    def JOIN($index; key): [.[] | [., $index[key]]];
    def JOIN($index; rows; key): rows | [., $index[key]];
    def JOIN($index; rows; key; joined): rows | [., $index[key]] | joined;

    def truncate_stream(events): . as $depth | null | events
        | if (.[0] | length) > $depth then [.[0][$depth:]] + .[1:] else empty end;

    def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
    def todate: todateiso8601;
    def date: todate;
    def dateadd(unit; number): . + number;
    def datesub(unit; number): . - number;
"#;

/// The definitions, as strict and exact as the expressions of flows are.
pub(super) fn definitions(arena: &'static Arena) -> impl Iterator<Item = Def<&'static str>> {
    let definitions = parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
    definitions.into_iter().map(move |mut definition| {
        bounds::mark(&mut definition.body);
        forms::replace_in_library(arena, &mut definition.body);
        arithmetic::make_exact(&mut definition.body);
        definition
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definitions_are_jq() {
        assert!(super::definitions(Box::leak(Box::default())).count() > 20);
    }
}
