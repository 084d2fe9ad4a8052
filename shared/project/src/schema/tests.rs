#![allow(clippy::unwrap_used)]
use super::*;

fn schema(json: &str) -> RecordSchema {
    RecordSchema::compile(&read(json.as_bytes()).unwrap()).expect(json)
}

fn is_valid(schema: &RecordSchema, record: &str) -> bool {
    schema.check(&read(record.as_bytes()).unwrap()).is_ok()
}

/// Schemas with records that satisfy them, and others that do not.
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        r#"{"maximum":9007199254740992}"#,
        &["9007199254740992", "9007199254740992.0", "-1e400", "\"x\""],
        &[
            "9007199254740993",
            "9007199254740992.1",
            "1e400",
            "18446744073709551617",
        ],
    ),
    (
        r#"{"maximum":9007199254740993}"#,
        &["9007199254740993"],
        &["9007199254740994", "9007199254740993.5"],
    ),
    (
        r#"{"minimum":0.1}"#,
        &["0.1", "0.10", "1e-1", "0.10000000000000000001", "1"],
        &["0.09999999999999999999", "0", "-1e400", "1e-400"],
    ),
    (
        r#"{"exclusiveMinimum":0.1}"#,
        &["0.10000000000000000001"],
        &["0.1", "0.100", "0.09999999999999999999"],
    ),
    (
        r#"{"exclusiveMaximum":972783798187987123879878123.18878137}"#,
        &["972783798187987123879878123.188781369", "1"],
        &[
            "972783798187987123879878123.18878137",
            "972783798187987123879878123.188781371",
        ],
    ),
    (
        r#"{"minimum":-18446744073709551617}"#,
        &["-18446744073709551617"],
        &["-18446744073709551618", "-1e400"],
    ),
    (
        r#"{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1.1,"exclusiveMinimum":true}"#,
        &["1.10000000000000000001"],
        &["1.1", "1"],
    ),
    (
        r#"{"$schema":"http://json-schema.org/draft-04/schema#","maximum":3,"exclusiveMaximum":false}"#,
        &["3"],
        &["3.1"],
    ),
    (
        r#"{"multipleOf":0.01}"#,
        &["1.10", "0.07", "4.35", "1e300", "0"],
        &["0.075", "1.101", "1e-300"],
    ),
    (
        r#"{"multipleOf":3}"#,
        &["9", "-3", "135107988821114880000000000000"],
        &["1", "135107988821114880000000000001", "0.3"],
    ),
    (
        r#"{"const":1}"#,
        &["1", "1.0", "1e0", "10e-1"],
        &["1.00000000000000000001", "\"1\"", "true"],
    ),
    (
        r#"{"const":9007199254740993}"#,
        &["9007199254740993", "9007199254740993.0"],
        &["9007199254740992"],
    ),
    (r#"{"const":0.1}"#, &["0.10"], &["0.10000000000000000001"]),
    (
        r#"{"enum":[12345678901234567890123,0.12345678901234567891,{"a":[1.0]},"x"]}"#,
        &[
            "12345678901234567890123",
            "0.123456789012345678910",
            r#"{"a":[1]}"#,
            "\"x\"",
        ],
        &[
            "12345678901234567890124",
            "0.12345678901234567892",
            r#"{"a":[2]}"#,
            "0.12345678901234568",
        ],
    ),
    (
        r#"{"enum":[1.5,"a",null,[1,{"b":2}]]}"#,
        &["1.50", "null", r#"[1.0,{"b":2e0}]"#],
        &["1.51", r#"[1,{"b":3}]"#],
    ),
    (
        r#"{"uniqueItems":true}"#,
        &[
            "[9007199254740992,9007199254740993,1]",
            r#"[1,"1",true,0.1,0.10000000000000000001]"#,
            r#"[{"a":1},{"a":2},{"b":1}]"#,
        ],
        &[
            "[1,1.0]",
            "[0.1,2,1e-1]",
            r#"[{"a":1,"b":2},3,{"b":2.0,"a":1}]"#,
        ],
    ),
    (
        r#"{"type":"integer"}"#,
        &[
            "1",
            "1.0",
            "1e2",
            "12345678910111213141516171819202122232425262728293031",
            "1e400",
        ],
        &["1.5", "1e-1", "9007199254740993.5", "\"1\""],
    ),
    (
        r#"{"type":"integer","multipleOf":0.5}"#,
        &["1e308"],
        &["0.5"],
    ),
    (
        r#"{"properties":{"a":{"maximum":1},"b c":{"type":"string","minLength":2,"pattern":"^ż"}},"required":["a"],
            "additionalProperties":false,"propertyNames":{"maxLength":3}}"#,
        &[r#"{"a":1,"b c":"żółw"}"#],
        &[
            r#"{"a":2}"#,
            r#"{"b c":"żółw"}"#,
            r#"{"a":1,"c":1}"#,
            r#"{"a":1,"b c":"ż"}"#,
            r#"{"a":1,"b c":["x"]}"#,
        ],
    ),
    (
        r##"{"$ref":"#/$defs/tree","$defs":{"tree":{"type":["object","null"],"properties":{"value":{"minimum":0},
            "next":{"$ref":"#/$defs/tree"}},"unevaluatedProperties":false}}}"##,
        &["null", r#"{"value":1,"next":{"value":0,"next":null}}"#],
        &[
            r#"{"value":1,"next":{"value":-1e-400}}"#,
            r#"{"next":{"other":1}}"#,
        ],
    ),
];

#[test]
fn numbers_are_held_against_a_schema_by_every_digit() {
    for (source, valid, invalid) in CASES {
        let schema = schema(source);
        for record in *valid {
            assert!(is_valid(&schema, record), "{source} {record}");
        }
        for record in *invalid {
            assert!(!is_valid(&schema, record), "{source} {record}");
        }
    }
}

#[test]
fn an_error_names_the_field_and_the_bound_as_it_is_written() {
    let schema = schema(
        r#"{"properties":{"a":{"items":{"exclusiveMaximum":1.10}},"b":{"multipleOf":0.010},
            "c":{"const":0.12345678901234567890}}}"#,
    );
    let error = |record: &str| schema.check(&read(record.as_bytes()).unwrap()).unwrap_err();
    for (record, pointer, message) in [
        (
            r#"{"a":[1,1.1]}"#,
            "/a/1",
            "the value is greater than or equal to the maximum of 1.1",
        ),
        (
            r#"{"b":7.075}"#,
            "/b",
            "the value is not a multiple of 0.01",
        ),
        (
            r#"{"c":0.12345678901234567891}"#,
            "/c",
            "the value is none of 0.12345678901234567890",
        ),
    ] {
        let found = error(record);
        assert_eq!(
            (found.pointer.as_str(), found.message.as_str()),
            (pointer, message)
        );
    }
}

#[test]
fn numbers_that_no_float_is_are_told_apart_though_their_floats_are_one() {
    let schema = schema(
        r#"{"enum":[1e400,1e401,-1e400,1e-400,9007199254740992.5,9007199254740993.5,9007199254740992.0]}"#,
    );
    for one_of in [
        "1e400",
        "1e401",
        "-1e400",
        "1e-400",
        "9007199254740992.5",
        "9007199254740993.5",
        "9007199254740992",
    ] {
        assert!(is_valid(&schema, one_of), "{one_of}");
    }
    for none_of in [
        "1e402",
        "-1e401",
        "0",
        "1e-401",
        "9007199254740993",
        "1.7976931348623157e308",
        "5e-324",
    ] {
        assert!(!is_valid(&schema, none_of), "{none_of}");
    }
}

#[test]
fn a_divisor_that_is_none_is_refused() {
    let refused = |json: &str| RecordSchema::compile(&read(json.as_bytes()).unwrap()).unwrap_err();
    assert!(refused(r#"{"multipleOf":0}"#).contains("0"));
    assert!(refused(r#"{"multipleOf":0.1234567890123456789}"#).contains("18 digits"));
}
