//! XML that was written is read as it was.

#![allow(clippy::unwrap_used)]

mod support;

use fastrand::Rng;
use pomost_expression::{Value, read, write};
use pomost_format::{BodyFormat, Charset, FormatSyntax, XmlOptions, decode, encode, encode_one};

use support::xml;

fn object(fields: Vec<(String, Value)>) -> Value {
    Value::obj(
        fields
            .into_iter()
            .map(|(name, value)| (Value::from(name), value))
            .collect(),
    )
}

/// The values with the order of their fields, which is not part of their equality.
fn json(values: &[Value]) -> Vec<String> {
    values.iter().map(|value| write(value).unwrap()).collect()
}

#[test]
fn a_record_that_is_written_is_read_as_it_was() {
    let options = XmlOptions {
        record: Some("/o/r".parse().unwrap()),
        list: vec!["list".parse().unwrap()],
        prefixes: true,
    };
    let format = BodyFormat::from(FormatSyntax::Xml(options));
    for seed in 0..2000 {
        let mut rng = Rng::with_seed(seed);
        let records: Vec<Value> = (0..rng.usize(0..4)).map(|_| element(&mut rng, 4)).collect();
        let written = encode(&format, &records).unwrap();
        let (rows, _) = decode(&format, None, &written).unwrap();
        assert_eq!(
            json(&rows),
            json(&records),
            "{}",
            String::from_utf8_lossy(&written)
        );
        let document = object(vec![("ż:root".into(), element(&mut rng, 4))]);
        let options = XmlOptions {
            record: None,
            list: vec!["list".parse().unwrap()],
            prefixes: true,
        };
        let format = BodyFormat::from(FormatSyntax::Xml(options));
        let written = encode_one(&format, &document).unwrap();
        let (rows, _) = decode(&format, None, &written).unwrap();
        assert_eq!(
            json(&rows),
            json(&[document]),
            "{}",
            String::from_utf8_lossy(&written)
        );
    }
}

/// Values that XML can express, as they are read: texts, and objects with more than a text.
fn element(rng: &mut Rng, depth: usize) -> Value {
    if depth == 0 || rng.u8(0..3) == 0 {
        return Value::from(text(rng));
    }
    let mut fields: Vec<(String, Value)> = Vec::new();
    for name in ["@x", "@y:z", "b", "ż", "list"] {
        if rng.bool() {
            continue;
        }
        let value = match name {
            _ if name.starts_with('@') => Value::from(text(rng)),
            "list" => (0..rng.usize(1..4))
                .map(|_| element(rng, depth - 1))
                .collect(),
            _ if rng.bool() => (0..rng.usize(2..4))
                .map(|_| element(rng, depth - 1))
                .collect(),
            _ => element(rng, depth - 1),
        };
        fields.push((name.into(), value));
    }
    if fields.is_empty() {
        return Value::from(text(rng));
    }
    rng.shuffle(&mut fields);
    // Attributes stand before everything else in XML.
    fields.sort_by_key(|(name, _)| !name.starts_with('@'));
    let text = text(rng);
    if !text.is_empty() && rng.bool() {
        fields.push(("#text".into(), Value::from(text)));
    }
    object(fields)
}

fn text(rng: &mut Rng) -> String {
    const PIECES: [&str; 16] = [
        " ",
        "\n",
        "\t",
        "\r",
        "\r\n",
        "<",
        ">",
        "&",
        "\"",
        "'",
        "]]>",
        "&amp;",
        "<!--",
        "a",
        "żółw 🐢",
        "\u{7f}\u{85}",
    ];
    (0..rng.usize(0..4))
        .map(|_| PIECES[rng.usize(0..PIECES.len())])
        .collect()
}

#[test]
fn a_record_is_written_as_people_write_xml() {
    let record = read(
        r##"{"@id":7,"name":"ż & \"co\"","paid":true,"none":null,"@none":null,"item":[{"n":1.10},"x",null],"empty":"",
            "none of them":[],"note":{"@lang":"pl","#text":"hm"}}"##
            .replace("none of them", "nothing")
            .as_bytes(),
    )
    .unwrap();
    let written = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let order = "<order id=\"7\"><name>ż &amp; \"co\"</name><paid>true</paid><item><n>1.10</n></item><item>x</item>\
        <item/><empty/><note lang=\"pl\">hm</note></order>";
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let path = xml("/envelope/orders/order");
    assert_eq!(
        written(encode_one(&path, &record).unwrap()),
        format!("{declaration}{order}")
    );
    assert_eq!(
        written(encode(&path, &[record.clone(), record]).unwrap()),
        format!("{declaration}<envelope><orders>{order}{order}</orders></envelope>")
    );
    assert_eq!(
        written(encode(&path, &[]).unwrap()),
        format!("{declaration}<envelope><orders></orders></envelope>")
    );
    let format = BodyFormat {
        charset: Charset::of_label("iso-8859-2"),
        ..xml("a")
    };
    let bytes = encode_one(&format, &Value::from("ż".to_owned())).unwrap();
    assert_eq!(
        bytes,
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-2\"?><a>\xbf</a>"
    );
}

#[test]
fn what_xml_cannot_say_is_an_error_that_names_the_field() {
    let error = |format: &BodyFormat, json: &str| {
        let error = encode_one(format, &read(json.as_bytes()).unwrap())
            .unwrap_err()
            .to_string();
        error.strip_prefix("XML, record 1: ").unwrap().to_owned()
    };
    for (record, expected) in [
        (r#"{"a b":1}"#, "'a b' cannot be the name of an element"),
        (r#"{"":1}"#, "'' cannot be the name of an element"),
        (r#"{"@1":1}"#, "'1' cannot be the name of an attribute"),
        (
            r#"{"a":"\u0001"}"#,
            "the field 'a' holds a character that XML does not have",
        ),
        (
            r#"{"a":"\ufffe"}"#,
            "the field 'a' holds a character that XML does not have",
        ),
        (
            r#"{"@a":"\u0000"}"#,
            "the field '@a' holds a character that XML does not have",
        ),
        (r#"{"@a":{}}"#, "the field '@a' holds an object"),
        (r##"{"#text":[1]}"##, "the field '#text' holds a list"),
        (r#"{"a":[[1]]}"#, "the field 'a' holds a list"),
        ("[1]", "the field 'r' holds a list"),
    ] {
        assert_eq!(error(&xml("r"), record), expected, "{record}");
    }
    for record in ["1", "{}", r#"{"a":1,"b":2}"#] {
        assert_eq!(
            error(&xml(""), record),
            "expected an object with one field, which becomes the root element",
            "{record}"
        );
    }
    let deep = (0..200).fold(Value::Null, |inner, _| object(vec![("a".into(), inner)]));
    assert!(
        encode_one(&xml(""), &deep)
            .unwrap_err()
            .to_string()
            .contains("deeper than 128 levels")
    );
    for format in [xml(""), xml("r"), xml("/r")] {
        assert!(
            encode(&format, &[])
                .unwrap_err()
                .to_string()
                .contains("such as /orders/order")
        );
    }
    assert!(write(&deep).is_ok());
}
