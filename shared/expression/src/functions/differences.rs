//! The differences from jq's documentation: all of them, each one chosen.

/// A difference from jq.
pub struct JqDifference {
    /// The difference, and the reason for it.
    pub description: &'static str,
    /// An expression that shows it.
    pub example: &'static str,
    /// The output of the expression here, or its error.
    pub here: Result<&'static str, &'static str>,
    /// The output of the expression in jq.
    pub in_jq: &'static str,
}

/// All differences from jq, beside what is left out ([`LEFT_OUT_OF_JQ`]) and what is added
/// ([`MORE_THAN_JQ`]).
pub const DIFFERENCES: &[JqDifference] = &[
    JqDifference {
        description: "Calculations are exact, not with floats.",
        example: "9007199254740993 + 0, 0.1 + 0.2",
        here: Ok("9007199254740993, 0.3"),
        in_jq: "9007199254740992, 0.30000000000000004",
    },
    JqDifference {
        description: "The remainder of a division may have decimals.",
        example: "5.5 % 2",
        here: Ok("1.5"),
        in_jq: "1",
    },
    JqDifference {
        description: "A number that is not calculated with keeps its notation.",
        example: r#""[100e-2,1e1000]" | fromjson"#,
        here: Ok("[100e-2,1e1000]"),
        in_jq: "[1.00,1E+1000]",
    },
    JqDifference {
        description: "Infinity and not-a-number do not exist in JSON, so writing them is an error.",
        example: "[nan]",
        here: Err("infinity or not a number, which JSON cannot express"),
        in_jq: "[null]",
    },
    JqDifference {
        description: "The same applies to `tojson`.",
        example: "[infinite] | tojson",
        here: Err("expected a value that JSON can express"),
        in_jq: r#""[1.7976931348623157e+308]""#,
    },
    JqDifference {
        description: "In text, they are words.",
        example: r#""\(nan) \(infinite)""#,
        here: Ok(r#""NaN Infinity""#),
        in_jq: r#""null 1.7976931348623157e+308""#,
    },
    JqDifference {
        description: "`tonumber` accepts only JSON numbers. For numbers as people write them, see `decimal`.",
        example: r#"".5" | tonumber"#,
        here: Err("expected text that is a number, such as 12.50"),
        in_jq: "0.5",
    },
    JqDifference {
        description: "`fromjson` accepts only JSON (RFC 8259): one value with at most 128 levels.",
        example: r#""[nan]" | fromjson"#,
        here: Err("expected text that is JSON"),
        in_jq: "[null]",
    },
    JqDifference {
        description: "`implode` refuses numbers that are not characters.",
        example: "[65, 55296] | implode",
        here: Err("expected an array of numbers of Unicode characters"),
        in_jq: r#""A\ufffd""#,
    },
    JqDifference {
        description: "`@base64d` refuses bytes that are not UTF-8 text.",
        example: r#""/w==" | @base64d"#,
        here: Err("expected Base64 of text in UTF-8"),
        in_jq: r#""\ufffd""#,
    },
    JqDifference {
        description: "`from_entries` also accepts `k`, `K`, `v` and `V`, as jq 1.7 does.",
        example: r#"[{k: "a", v: 1}] | from_entries"#,
        here: Ok(r#"{"a":1}"#),
        in_jq: "an error",
    },
    JqDifference {
        description: "`$` in a regex matches only at the end of the text, and not before a line break at the end \
                      (`\\Z` matches both).",
        example: r#""a\n" | test("a$")"#,
        here: Ok("false"),
        in_jq: "true",
    },
    JqDifference {
        description: "A group in a look-ahead has its text, also if the match itself is empty.",
        example: r#""ab" | capture("(?=(?<x>b))")"#,
        here: Ok(r#"{"x":"b"}"#),
        in_jq: r#"{"x":""}"#,
    },
    JqDifference {
        description: "Classes such as `[[:upper:]]` contain only ASCII characters; `\\p{Lu}`, `\\w`, `\\d`, `\\s`, `\\b` and the flag \
                      `i` know Unicode.",
        example: r#""Ż" | test("[[:upper:]]"), test("\\p{Lu}")"#,
        here: Ok("false, true"),
        in_jq: "true, true",
    },
    JqDifference {
        description: "With the flag `x`, blanks are also ignored within brackets: write `\\s` or `\\x20`.",
        example: r#""a b" | test("a[ b]b"; "x")"#,
        here: Ok("false"),
        in_jq: "true",
    },
    JqDifference {
        description: "`\\<` and `\\>` in a regex match the beginning and the end of a word.",
        example: r#""<a" | test("\\<a"), test("<a")"#,
        here: Ok("true, true"),
        in_jq: "true, true, the first for the sign <",
    },
    JqDifference {
        description: "`\\h`, `\\H`, `\\v` and `\\uHHHH` in a regex have the meaning of Oniguruma's documentation: a hexadecimal digit, any other character, a vertical space, and the character with this code.",
        example: r#""h1" | [match("\\h"; "g").string], ("é" | test("\\u00e9"))"#,
        here: Ok(r#"["1"], true"#),
        in_jq: r#"["h"], false: they are the letters"#,
    },
    JqDifference {
        description: "With the flag `i`, `ß` does not match `ss`. The same applies to other characters that become several characters in another case.",
        example: r#""ß" | test("ss"; "i")"#,
        here: Ok("false"),
        in_jq: "true",
    },
    JqDifference {
        description: "A non-greedy repetition (`a+?`) is an error with the flag `l`. `\\X` is always an error.",
        example: r#""aaa" | [match("a+?"; "gl").string]"#,
        here: Err(
            "invalid regex: Error compiling regex: Regex uses currently unimplemented feature: non-greedy quantifiers are not supported in leftmost-longest mode",
        ),
        in_jq: r#"["aaa"]"#,
    },
    JqDifference {
        description: "`a{,2}` in a regex means at most two.",
        example: r#""aaa" | [match("a{,2}"; "g").string]"#,
        here: Ok(r#"["aa","a",""]"#),
        in_jq: r#"[]: it is these characters"#,
    },
    JqDifference {
        description: "A regex may have at most 64 KiB.",
        example: r#"try ("a" | test("a" * 70000)) catch "caught""#,
        here: Ok(r#""caught""#),
        in_jq: r#"false"#,
    },
    JqDifference {
        description: "`todate` and `strftime` round down to the whole second, also before 1970.",
        example: r#"-1.5 | todate"#,
        here: Ok(r#""1969-12-31T23:59:58Z""#),
        in_jq: r#""1969-12-31T23:59:59Z""#,
    },
    JqDifference {
        description: "The second 60 is read as the second 59.",
        example: r#""2015-03-05T23:51:60Z" | strptime("%Y-%m-%dT%H:%M:%SZ")"#,
        here: Ok("[2015,2,5,23,51,59,4,63]"),
        in_jq: r#"[2015,2,5,23,51,60,4,63]"#,
    },
    JqDifference {
        description: "Half of a surrogate pair in a text of an expression is U+FFFD, as in jq 1.7.",
        example: r#""\ud83d" == "\ufffd""#,
        here: Ok("true"),
        in_jq: r#"a syntax error"#,
    },
    JqDifference {
        description: "Several comparisons in a row are evaluated from the left.",
        example: r#"1 == 1 == true"#,
        here: Ok("true"),
        in_jq: r#"a syntax error"#,
    },
    JqDifference {
        description: "A field of an object may be any expression without a comma.",
        example: r#"{a: 1 as $x | $x}"#,
        here: Ok(r#"{"a":1}"#),
        in_jq: r#"a syntax error"#,
    },
    JqDifference {
        description: "A slice may have a point before its brackets.",
        example: r#""abc".[1:]"#,
        here: Ok(r#""bc""#),
        in_jq: r#"a syntax error"#,
    },
    JqDifference {
        description: "A number may have at most 4096 characters when it is read.",
        example: r#"("1" * 5000) | fromjson"#,
        here: Err("expected text that is JSON"),
        in_jq: r#"1.7976931348623157e+308"#,
    },
    JqDifference {
        description: "A time whose parts do not exist in the calendar is an error. It does not become a time in the next month or year.",
        example: "[2026, 12, 1] | mktime",
        here: Err("expected a time in seconds since 1970, in the years 1 to 9999"),
        in_jq: "1798761600",
    },
    JqDifference {
        description: "`mktime` and `strftime` need year, month and day.",
        example: "[2026, 1] | mktime",
        here: Err(
            "expected a time as gmtime gives it: an array of year, month (from 0), day, and more down to seconds",
        ),
        in_jq: "1769817600",
    },
    JqDifference {
        description: "`gmtime` keeps all decimals of a second.",
        example: "1425599621.678 | gmtime",
        here: Ok("[2015,2,5,23,53,41.678,4,63]"),
        in_jq: "[2015,2,5,23,53,41.67799997329712,4,63]",
    },
    JqDifference {
        description: "`strptime` needs a complete date, and has to read the whole text. It does not know abbreviations of time zones (`%Z`).",
        example: r#""10:00" | strptime("%H:%M")"#,
        here: Err("expected a whole date in the format %H:%M"),
        in_jq: "[1900,0,0,10,0,0,8,367]",
    },
    JqDifference {
        description: "`fromdate` and `fromdateiso8601` also read offsets and decimals of a second.",
        example: r#""2026-11-24T13:00:00.5+01:00" | fromdate"#,
        here: Ok("1795521600.5"),
        in_jq: "an error",
    },
    JqDifference {
        description: "Caught errors about operators, paths, numbers and rows have jq's messages. Errors about JSON text, dates \
                      and regexes, and about the type of a function's input (`sort`, `floor`), have our messages.",
        example: r#"try ("{" | fromjson) catch ., try ("a" | toboolean) catch ."#,
        here: Ok(r#""expected text that is JSON", "string (\"a\") cannot be parsed as a boolean""#),
        in_jq: "other words, and the same",
    },
    JqDifference {
        description: "A definition cannot call itself, because that could go on for ever. Use `recurse`, `walk`, `reduce`, \
                      `until` and the like instead.",
        example: "def f: if . < 3 then . + 1 | f else . end; 1 | f",
        here: Err("the definition 'f' calls itself, which could go on for ever"),
        in_jq: "3",
    },
    JqDifference {
        description: "An error is the result of the whole expression: outputs before it do not count.",
        example: r#"1, error("no")"#,
        here: Err("no"),
        in_jq: "1, and the error",
    },
    JqDifference {
        description: "A caught error about an invalid path has a message of our own.",
        example: "try path([1] | first) catch .",
        here: Ok(r#""invalid path expression with input null""#),
        in_jq: r#""Invalid path expression near attempt to access element 0 of [1]""#,
    },
    JqDifference {
        description: "A path may have at most 128 keys.",
        example: "try getpath([range(129)]) catch .",
        here: Ok(r#""Path too deep""#),
        in_jq: "null; paths of up to 10000 keys",
    },
    JqDifference {
        description: "`try` does not catch the end at a bound, see [Bounds](#bounds).",
        example: r#"try (reduce range(200) as $i (0; [.])) catch "caught""#,
        here: Err("the expression makes a value that is nested deeper than 128 levels"),
        in_jq: "200 levels; jq has bounds of its own, such as 10000 levels",
    },
    JqDifference {
        description: "`range` with a step of 0 continues until a bound ends it.",
        example: "[limit(2; range(0; 1; 0))]",
        here: Ok("[0,0]"),
        in_jq: "[]",
    },
];

/// Functions and forms of jq that flows lack, since a mapping is a function of its record alone.
pub const LEFT_OUT_OF_JQ: &[&str] = &[
    "env",
    "$ENV",
    "$__prog_args",
    "$JQ_BUILD_CONFIGURATION",
    "now",
    "localtime",
    "strflocaltime",
    "input",
    "inputs",
    "input_filename",
    "input_line_number",
    "debug",
    "stderr",
    "halt",
    "halt_error",
    "import",
    "include",
    "module",
    "modulemeta",
    "get_search_list",
    "get_prog_origin",
    "get_jq_origin",
];

/// Functions and forms that jq's documentation lacks: of other versions of jq, and of jaq, which
/// runs expressions here.
pub const MORE_THAN_JQ: &[&str] = &[
    "toarray",
    "leaf_paths",
    "date",
    "dateadd",
    "datesub",
    "lgamma_r",
    "pow10",
    "isboolean",
    "isnumber",
    "isstring",
    "isarray",
    "isobject",
    "tobytes",
    "@htmld",
];
