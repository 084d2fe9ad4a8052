//! What the tests share.

#![allow(dead_code, clippy::unwrap_used)]

use pomost_expression::write;
use pomost_format::{
    BodyFormat, CsvOptions, DecodeError, FormatSyntax, RowDecoder, RowPath, TextOptions,
    XmlOptions, row_path,
};

/// Pieces that mean something in one of the formats.
pub(crate) const PIECES: [&[u8]; 44] = [
    b"\"",
    b"'",
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b";",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"&",
    b"=",
    b"%",
    b"%C5%BC",
    b"+",
    b"<",
    b">",
    b"/>",
    b"</",
    b"<a>",
    b"</a>",
    b"<a b='c'>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<?xml version='1.0' encoding='",
    b"?>",
    b"<!DOCTYPE a [",
    b"&#x110000;",
    b"1e999",
    b"null",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x00",
    b"\xc5",
    b"\r",
    b"\xff",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"items",
];

/// What came of a body.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Its rows as JSON.
    pub(crate) rows: Vec<String>,
    /// The error that came last.
    pub(crate) error: Option<DecodeError>,
    /// What stands around the rows, as JSON.
    pub(crate) rest: String,
}

/// Reads a body that comes in chunks.
pub(crate) fn outcome<'a>(
    format: &BodyFormat,
    list: Option<&RowPath>,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut decoder = RowDecoder::new(format, list.cloned());
    let (mut rows, mut error) = (Vec::new(), None);
    let mut take = |decoder: &mut RowDecoder| {
        for row in decoder {
            match row {
                Ok(row) => rows.push(write(&row).unwrap()),
                Err(wrong) => assert_eq!(
                    error.replace(wrong),
                    None,
                    "an error is the last thing that comes"
                ),
            }
        }
    };
    for chunk in chunks {
        decoder.feed(chunk);
        take(&mut decoder);
    }
    decoder.finish();
    take(&mut decoder);
    Outcome {
        rows,
        error,
        rest: write(decoder.envelope()).unwrap(),
    }
}

/// The list that a jq expression reads.
pub(crate) fn list(expression: &str) -> RowPath {
    row_path(expression).expect("it reads a list").0
}

/// XML whose records are at a path.
pub(crate) fn xml(record: &str) -> BodyFormat {
    let record = (!record.is_empty()).then(|| record.parse().unwrap());
    FormatSyntax::Xml(XmlOptions {
        record,
        ..XmlOptions::default()
    })
    .into()
}

/// Bodies of every format that can be read to their end.
pub(crate) fn bodies() -> Vec<(BodyFormat, Option<RowPath>, &'static [u8])> {
    let csv = |options| BodyFormat::from(FormatSyntax::Csv(options));
    let json = r#" { "a\u0062": "]}\\\"" , "data" : { "x":[[1],{}], "items": [ {"id":1.10,"n":"ż\"]"} , [2,[3]],
        "x,y" , -1.5e3,true ,null ] , "total" : 3 } , "next" : "/2" } "#;
    let xml_body = "<?xml version='1.0' encoding=\"UTF-8\"?>\r\n<!DOCTYPE s:orders SYSTEM \"x>y\">\
        <s:orders xmlns:s='urn:x' total=\"2\"><!-- <order> > --><next>/2?a&amp;b</next>\n\
        <order id='1'><n>\u{17c} &lt;&#x142;&#119;&gt;</n><i>1</i><i>2</i><![CDATA[ ]]>]]></order>\n  \
        <s:order/><?pi ?><order> a <b c='>'/> d </order>\n</s:orders>\n";
    vec![
        (BodyFormat::default(), None, json.as_bytes()),
        (
            BodyFormat::default(),
            Some(list(".data.items[]")),
            json.as_bytes(),
        ),
        (
            BodyFormat::default(),
            Some(list(".data[]")),
            json.as_bytes(),
        ),
        (
            BodyFormat::default(),
            Some(list(".none[]?")),
            json.as_bytes(),
        ),
        (
            BodyFormat::default(),
            Some(list(".[]")),
            b"[[],{\"a\":\"[\"},\"\",0 , \"\\\\\"]\n",
        ),
        (
            FormatSyntax::JsonLines.into(),
            None,
            "{\"a\":\"ż\"}\r\n\n \n[1,2.50]\n\"x\"".as_bytes(),
        ),
        (
            csv(CsvOptions::default()),
            None,
            "\u{feff}id,ż\r\n1,\"a \"\"ż\"\",\r\nb\"\n\n2,\n\"3\",x".as_bytes(),
        ),
        (
            csv(CsvOptions {
                delimiter: b';',
                quote: Some(b'\''),
                escape: Some(b'\\'),
                skip: 2,
                trim: true,
                lenient: true,
                ..CsvOptions::default()
            }),
            None,
            b"x'\n\r\na;'b'\n'\\'x';  y \r\n1\n2;3;;\n",
        ),
        (
            csv(CsvOptions {
                nulls: true,
                ..CsvOptions::default()
            }),
            None,
            b"a,b\r\n,\"\"\r\n\"\",\n\"x\"\"\",",
        ),
        (
            BodyFormat {
                charset: pomost_format::Charset::of_label("windows-1250"),
                ..csv(CsvOptions::default())
            },
            None,
            b"a,b\n\xbf\xf3\xb3w,\"\x9c\"\n",
        ),
        (
            BodyFormat {
                charset: pomost_format::Charset::of_label("utf-16le"),
                ..FormatSyntax::JsonLines.into()
            },
            None,
            b"[\x001\x00]\x00\n\x00\"\x00\x7c\x01\"\x00",
        ),
        (xml("/orders/order"), None, xml_body.as_bytes()),
        (xml(""), None, xml_body.as_bytes()),
        (
            xml("order"),
            None,
            b"<?xml version='1.0' encoding='ISO-8859-2'?><a><order>\xbf</order><n>\xb3</n></a>",
        ),
        (
            FormatSyntax::Text(TextOptions { lines: true }).into(),
            None,
            "ż\r\n\nb\rc".as_bytes(),
        ),
        (
            FormatSyntax::Text(TextOptions::default()).into(),
            None,
            "ż\r\n\nb".as_bytes(),
        ),
        (FormatSyntax::Form.into(), None, b"a=%C5%BC&b=1&b=2&c"),
    ]
}
