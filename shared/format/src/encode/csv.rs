//! Writing CSV.

use pomost_expression::{Value, text};

use crate::{
    CsvOptions,
    encode::{RecordWriter, text::kind_name},
};

/// Writes each record as a row (RFC 4180). The columns are given, or they are the fields of the
/// first record. A field that a record lacks is empty, and so is null. Empty text is empty too, or
/// in quotes where nulls are distinguished. A field without a column is an error.
pub(crate) struct CsvWriter {
    delimiter: char,
    quote: Option<char>,
    escape: Option<char>,
    header: bool,
    nulls: bool,
    columns: Vec<String>,
}

impl CsvWriter {
    pub(crate) fn new(options: &CsvOptions) -> CsvWriter {
        CsvWriter {
            delimiter: char::from(options.delimiter),
            quote: options.quote.map(char::from),
            escape: options.escape.map(char::from),
            header: options.header,
            nulls: options.nulls,
            columns: options.names.clone(),
        }
    }

    /// The text in each column. None where it is null.
    fn fields(&self, record: &Value) -> Result<Vec<Option<String>>, String> {
        let Value::Obj(fields) = record else {
            return Err(format!("expected an object; found {}", kind_name(record)));
        };
        if let Some(other) = fields
            .keys()
            .filter_map(text)
            .find(|name| !self.columns.contains(name))
        {
            return Err(format!("the field '{other}' has no column"));
        }
        let field = |column: &String| match fields.get(&Value::from(column.clone())) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let text = text(value);
                text.map(Some)
                    .ok_or_else(|| format!("the column '{column}' holds {}", kind_name(value)))
            }
        };
        self.columns.iter().map(field).collect()
    }

    fn write_header(&mut self, written: &mut String) -> Result<(), String> {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|name| Some(name.as_str()))
            .collect();
        if std::mem::take(&mut self.header) {
            self.write_row(&names, written)
        } else {
            Ok(())
        }
    }

    fn write_row(&self, fields: &[Option<&str>], written: &mut String) -> Result<(), String> {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                written.push(self.delimiter);
            }
            let (column, text) = (&self.columns[index], field.unwrap_or_default());
            // A row of one empty field would be read as a blank line.
            let is_alone = text.is_empty() && fields.len() == 1;
            if is_alone && self.nulls && field.is_none() {
                return Err(format!(
                    "the column '{column}' is null, which alone in a row would be a blank line"
                ));
            }
            let is_told = text.is_empty() && self.nulls && field.is_some();
            if self.is_special(text) || is_alone || is_told {
                let quote = self.quote.ok_or_else(|| {
                    format!(
                        "the column '{column}' holds what only quotes can tell from {}",
                        match is_told {
                            true => "null",
                            false => "a delimiter or line break",
                        }
                    )
                })?;
                self.write_quoted(text, quote, written);
            } else {
                written.push_str(text);
            }
        }
        written.push_str("\r\n");
        Ok(())
    }

    fn is_special(&self, field: &str) -> bool {
        field.contains(|letter: char| {
            matches!(letter, '\r' | '\n')
                || letter == self.delimiter
                || Some(letter) == self.quote
                || Some(letter) == self.escape
        })
    }

    fn write_quoted(&self, field: &str, quote: char, written: &mut String) {
        written.push(quote);
        for letter in field.chars() {
            if letter == quote || Some(letter) == self.escape {
                written.push(self.escape.unwrap_or(quote));
            }
            written.push(letter);
        }
        written.push(quote);
    }
}

impl RecordWriter for CsvWriter {
    fn begin(&mut self, written: &mut String) -> Result<(), String> {
        if self.columns.is_empty() {
            Ok(())
        } else {
            self.write_header(written)
        }
    }

    fn record(&mut self, record: &Value, written: &mut String) -> Result<(), String> {
        if let (true, Value::Obj(fields)) = (self.columns.is_empty(), record) {
            self.columns = fields.keys().filter_map(text).collect();
            if self.columns.is_empty() {
                return Err("an object without fields, which gives no columns".into());
            }
        }
        let fields = self.fields(record)?;
        self.write_header(written)?;
        let fields: Vec<_> = fields.iter().map(Option::as_deref).collect();
        self.write_row(&fields, written)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::read;

    use super::*;
    use crate::{BodyFormat, Charset, EncodeError, FormatSyntax, decode, encode};

    fn written(format: &BodyFormat, records: &str) -> Result<String, EncodeError> {
        let Value::Arr(records) = read(records.as_bytes()).unwrap() else {
            panic!("a list")
        };
        encode(format, &records).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn csv(options: CsvOptions) -> BodyFormat {
        FormatSyntax::Csv(options).into()
    }

    #[test]
    fn the_first_record_gives_the_columns() {
        let records = r#"[{"id":1.10,"name":"a, \"b\"","ok":true},{"name":"x\ny","id":null}]"#;
        let expected = "id,name,ok\r\n1.10,\"a, \"\"b\"\"\",true\r\n,\"x\ny\",\r\n";
        assert_eq!(
            written(&csv(CsvOptions::default()), records).unwrap(),
            expected
        );
        assert_eq!(written(&csv(CsvOptions::default()), "[]").unwrap(), "");
    }

    #[test]
    fn columns_that_are_given_stand_even_without_records() {
        let names = vec!["b".to_owned(), "a".to_owned()];
        let options = CsvOptions {
            names,
            delimiter: b';',
            ..CsvOptions::default()
        };
        assert_eq!(written(&csv(options.clone()), "[]").unwrap(), "b;a\r\n");
        assert_eq!(
            written(&csv(options.clone()), r#"[{"a":1}]"#).unwrap(),
            "b;a\r\n;1\r\n"
        );
        let headless = CsvOptions {
            header: false,
            ..options
        };
        assert_eq!(
            written(&csv(headless), r#"[{"a":1,"b":";"}]"#).unwrap(),
            "\";\";1\r\n"
        );
    }

    #[test]
    fn what_a_table_cannot_hold_is_an_error_that_names_the_column() {
        let error = |options, records| written(&csv(options), records).unwrap_err().to_string();
        let default = CsvOptions::default;
        assert_eq!(
            error(default(), r#"[{"a":1},{"a":[2]}]"#),
            "CSV, record 2: the column 'a' holds a list"
        );
        assert_eq!(
            error(default(), r#"[{"a":1},{"b":2}]"#),
            "CSV, record 2: the field 'b' has no column"
        );
        assert_eq!(
            error(default(), "[1]"),
            "CSV, record 1: expected an object; found a number"
        );
        assert!(error(default(), "[{}]").contains("gives no columns"));
        let unquoted = CsvOptions {
            quote: None,
            ..default()
        };
        for record in [
            r#"[{"a":"x,y","b":1}]"#,
            r#"[{"a":"x\ny","b":1}]"#,
            r#"[{"a":""}]"#,
        ] {
            assert!(
                error(unquoted.clone(), record).contains("the column 'a' holds what only quotes"),
                "{record}"
            );
        }
    }

    #[test]
    fn empty_text_is_told_from_null_where_that_is_set() {
        let nulls = || CsvOptions {
            nulls: true,
            ..CsvOptions::default()
        };
        let records = r#"[{"a":null,"b":"","c":"x"},{"a":"","c":null}]"#;
        assert_eq!(
            written(&csv(nulls()), records).unwrap(),
            "a,b,c\r\n,\"\",x\r\n\"\",,\r\n"
        );
        assert_eq!(
            written(&csv(CsvOptions::default()), records).unwrap(),
            "a,b,c\r\n,,x\r\n,,\r\n"
        );
        let error = |options, records| written(&csv(options), records).unwrap_err().to_string();
        assert!(
            error(nulls(), r#"[{"a":null}]"#)
                .contains("the column 'a' is null, which alone in a row")
        );
        let unquoted = CsvOptions {
            quote: None,
            ..nulls()
        };
        assert!(error(unquoted, r#"[{"a":"","b":1}]"#).contains("only quotes can tell from null"));
    }

    #[test]
    fn a_table_is_written_in_its_charset_or_not_at_all() {
        let format = BodyFormat {
            charset: Charset::of_label("windows-1250"),
            ..csv(CsvOptions::default())
        };
        let records = [read(r#"{"a":"żółw"}"#.as_bytes()).unwrap()];
        assert_eq!(
            encode(&format, &records).unwrap(),
            b"a\r\n\xbf\xf3\xb3w\r\n"
        );
        let records = [read(r#"{"a":"🐢"}"#.as_bytes()).unwrap()];
        let error = encode(&format, &records).unwrap_err().to_string();
        assert_eq!(
            error,
            "CSV, record 1: a character that windows-1250 does not have"
        );
        let format = BodyFormat {
            charset: Charset::of_label("utf-16"),
            ..format
        };
        assert!(
            encode(&format, &records)
                .unwrap_err()
                .to_string()
                .contains("UTF-16LE is only read")
        );
    }

    #[test]
    fn what_was_written_is_read_as_it_was() {
        let fields = [
            "", " x ", "a,b;c\td", "\"", "'", "\\", "\\\"", "a\r\nb", "\n", "\r", "ż🐢", "\\n",
        ];
        let every = [
            CsvOptions::default(),
            CsvOptions {
                delimiter: b';',
                quote: Some(b'\''),
                ..CsvOptions::default()
            },
            CsvOptions {
                delimiter: b'\t',
                escape: Some(b'\\'),
                ..CsvOptions::default()
            },
            CsvOptions {
                nulls: true,
                ..CsvOptions::default()
            },
        ];
        for options in every {
            for first in fields {
                for second in fields {
                    let row = |fields: &[(&str, &str)]| {
                        let text = |text: &str| Value::from(text.to_owned());
                        Value::obj(
                            fields
                                .iter()
                                .map(|(name, field)| (text(name), text(field)))
                                .collect(),
                        )
                    };
                    let records = [
                        row(&[("a", first), ("b", second)]),
                        row(&[("a", second), ("b", first)]),
                    ];
                    let format = csv(options.clone());
                    let (rows, _) =
                        decode(&format, None, &encode(&format, &records).unwrap()).unwrap();
                    assert_eq!(rows, records, "{first:?} {second:?}");
                    let records = [row(&[("a", first)])];
                    let (rows, _) =
                        decode(&format, None, &encode(&format, &records).unwrap()).unwrap();
                    assert_eq!(rows, records, "{first:?}");
                }
            }
        }
    }
}
