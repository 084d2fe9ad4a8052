//! CSV (RFC 4180) and similar tables.

mod record_reader;

use std::collections::HashSet;

use jaq_json::Map;
use pomost_expression::Value;

use crate::{
    DecodeLimits, csv::record_reader::CsvRecordReader, error::PlacedProblem,
    line_scanner::LineScanner, row_parser::RowParser, text_buffer::TextBuffer,
};

/// Settings of CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// The character between two fields.
    pub delimiter: u8,
    /// The character around a field that contains a delimiter, a quote or a line break. None where
    /// there are no such fields.
    pub quote: Option<u8>,
    /// A character that may stand before a quote within quotes, beside a second quote.
    pub escape: Option<u8>,
    /// True where the first row contains the names of the columns.
    pub header: bool,
    /// The columns' names. They replace the names in the header. If empty, the first record that is
    /// written gives the names.
    pub names: Vec<String>,
    /// The number of lines before the table.
    pub skip: u32,
    /// Removes spaces around fields.
    pub trim: bool,
    /// Accepts rows with too few fields, whose last columns are null, and rows with surplus empty
    /// fields, which are dropped.
    pub lenient: bool,
    /// Distinguishes null from empty text, as PostgreSQL's `COPY` does: an empty field without
    /// quotes is null, and `""` is empty text. Otherwise both are empty text.
    pub nulls: bool,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            header: true,
            names: Vec::new(),
            skip: 0,
            trim: false,
            lenient: false,
            nulls: false,
        }
    }
}

/// Reads each row of a table as an object of texts in the order of the columns. With
/// [`CsvOptions::nulls`] there are nulls as well.
pub(crate) struct CsvParser {
    options: CsvOptions,
    limit: usize,
    skipped: LineScanner,
    records: CsvRecordReader,
    names: Option<Vec<Value>>,
}

impl CsvParser {
    pub(crate) fn new(options: &CsvOptions, limits: DecodeLimits) -> CsvParser {
        let given = || options.names.iter().cloned().map(Value::utf8_str).collect();
        CsvParser {
            limit: limits.row,
            skipped: LineScanner::default(),
            records: CsvRecordReader::new(options, limits.row),
            names: (!options.header).then(given),
            options: options.clone(),
        }
    }

    /// Skips the lines before the table. False while more of the body is needed for that.
    fn skip(&mut self, buffer: &mut TextBuffer) -> Result<bool, PlacedProblem> {
        while self.skipped.number() <= u64::from(self.options.skip) {
            let Some(line) = self.skipped.find(buffer, self.limit)? else {
                return Ok(false);
            };
            self.skipped.pass(&line, buffer);
        }
        Ok(true)
    }

    fn header(&self) -> Result<Vec<Value>, PlacedProblem> {
        let place = self.records.place();
        let found: Vec<String> = self.fields().collect();
        if self.options.names.is_empty() {
            // The error does not quote the name: if the table has no header, the name is a value.
            let mut seen = HashSet::new();
            if let Some(twice) = found.iter().position(|name| !seen.insert(name)) {
                let message = format!("the header gives column {} the name of another", twice + 1);
                return Err(PlacedProblem::malformed(place, message));
            }
            return Ok(found.into_iter().map(Value::utf8_str).collect());
        }
        if self.options.names.len() != found.len() {
            let (names, columns) = (self.options.names.len(), found.len());
            let message =
                format!("{names} names are given for columns, but the header has {columns}");
            return Err(PlacedProblem::malformed(place, message));
        }
        Ok(self
            .options
            .names
            .iter()
            .cloned()
            .map(Value::utf8_str)
            .collect())
    }

    fn row(&self, names: &[Value]) -> Result<Value, PlacedProblem> {
        let (columns, found) = (names.len(), self.records.len());
        let surplus_is_empty = || self.fields().skip(columns).all(|field| field.is_empty());
        if found != columns && !(self.options.lenient && surplus_is_empty()) {
            let message = format!("expected {columns} fields, one for each column; found {found}");
            return Err(PlacedProblem::malformed(self.records.place(), message));
        }
        let value = |(place, field): (usize, String)| match self.options.nulls && field.is_empty() {
            true if !self.records.is_quoted(place) => Value::Null,
            _ => Value::utf8_str(field),
        };
        let values = self
            .fields()
            .enumerate()
            .map(value)
            .chain(std::iter::repeat(Value::Null));
        Ok(Value::obj(
            names.iter().cloned().zip(values).collect::<Map>(),
        ))
    }

    fn fields(&self) -> impl Iterator<Item = String> {
        self.records.fields().map(|field| {
            if self.options.trim {
                field.trim().to_owned()
            } else {
                field
            }
        })
    }
}

impl RowParser for CsvParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        if !self.skip(buffer)? {
            return Ok(None);
        }
        while self.records.read(buffer)? {
            match &self.names {
                Some(names) => return self.row(names).map(Some),
                None => self.names = Some(self.header()?),
            }
        }
        Ok(None)
    }

    fn held(&self) -> usize {
        self.records.held()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::write;

    use super::*;
    use crate::{BodyFormat, DecodeError, FormatSyntax, decode};

    fn rows(options: CsvOptions, body: &str) -> Result<Vec<String>, DecodeError> {
        let limits = DecodeLimits {
            row: 100,
            document: 100,
        };
        let format = BodyFormat {
            limits,
            ..FormatSyntax::Csv(options).into()
        };
        let (rows, _) = decode(&format, None, body.as_bytes())?;
        Ok(rows.iter().map(|row| write(row).unwrap()).collect())
    }

    fn error(options: CsvOptions, body: &str) -> String {
        rows(options, body).unwrap_err().to_string()
    }

    #[test]
    fn each_row_is_an_object_in_the_order_of_the_columns() {
        let body = "\u{feff}id,name\r\n1,\"a, \"\"b\"\"\r\nc\"\r\n\r\n2,\n";
        let expected = [
            r#"{"id":"1","name":"a, \"b\"\r\nc"}"#,
            r#"{"id":"2","name":""}"#,
        ];
        assert_eq!(rows(CsvOptions::default(), body).unwrap(), expected);
        assert_eq!(
            rows(CsvOptions::default(), body.trim_end()).unwrap(),
            expected
        );
        assert_eq!(
            rows(CsvOptions::default(), "id,name\n").unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(
            rows(CsvOptions::default(), "").unwrap(),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_kin_of_csv_are_read_as_their_settings_say() {
        let options = CsvOptions {
            delimiter: b';',
            quote: Some(b'\''),
            escape: Some(b'\\'),
            header: false,
            names: vec!["a".into(), "b".into()],
            skip: 2,
            trim: true,
            ..CsvOptions::default()
        };
        let body = "Report\nof \"today\nx; 'it\n y;'it\\'s;'' '\n";
        assert_eq!(
            rows(options, body).unwrap(),
            [r#"{"a":"x","b":"'it"}"#, r#"{"a":"y","b":"it's;'"}"#]
        );
        let unquoted = CsvOptions {
            delimiter: b'\t',
            quote: None,
            ..CsvOptions::default()
        };
        assert_eq!(
            rows(unquoted, "a\tb\n\"1\t2\"\n").unwrap(),
            [r#"{"a":"\"1","b":"2\""}"#]
        );
        let renamed = CsvOptions {
            names: vec!["x".into()],
            ..CsvOptions::default()
        };
        assert_eq!(rows(renamed, "a\n1\n").unwrap(), [r#"{"x":"1"}"#]);
    }

    #[test]
    fn a_row_with_another_number_of_fields_is_an_error_that_names_it() {
        let options = || CsvOptions {
            skip: 1,
            ..CsvOptions::default()
        };
        assert_eq!(
            error(options(), "x\na,b\n\"1\n1\",2\n\n3,4,5\n"),
            "CSV, row 2, line 6: expected 2 fields, one for each column; found 3"
        );
        let lenient = || CsvOptions {
            lenient: true,
            ..options()
        };
        assert_eq!(
            rows(lenient(), "x\na,b\n1\n2,3,,\n").unwrap(),
            [r#"{"a":"1","b":null}"#, r#"{"a":"2","b":"3"}"#]
        );
        assert!(error(lenient(), "x\na,b\n1,2,,3\n").contains("found 4"));
    }

    #[test]
    fn an_empty_field_is_text_or_null_where_it_is_not_in_quotes() {
        let body = "a,b,c\r\n,\"\",x\r\n\"\",,\r\n\"\"\"\",\",\", \n\n1,2,";
        let texts = [
            r#"{"a":"","b":"","c":"x"}"#,
            r#"{"a":"","b":"","c":""}"#,
            r#"{"a":"\"","b":",","c":" "}"#,
            r#"{"a":"1","b":"2","c":""}"#,
        ];
        assert_eq!(rows(CsvOptions::default(), body).unwrap(), texts);
        let nulls = || CsvOptions {
            nulls: true,
            ..CsvOptions::default()
        };
        let distinguished = [
            r#"{"a":null,"b":"","c":"x"}"#,
            r#"{"a":"","b":null,"c":null}"#,
            r#"{"a":"\"","b":",","c":" "}"#,
            r#"{"a":"1","b":"2","c":null}"#,
        ];
        assert_eq!(rows(nulls(), body).unwrap(), distinguished);
        let trimmed = CsvOptions {
            trim: true,
            ..nulls()
        };
        assert_eq!(
            rows(trimmed, "a,b\n  ,\" \"\n").unwrap(),
            [r#"{"a":null,"b":""}"#]
        );
        let unquoted = CsvOptions {
            quote: None,
            ..nulls()
        };
        assert_eq!(
            rows(unquoted, "a,b\n,\"\"\n").unwrap(),
            [r#"{"a":null,"b":"\"\""}"#]
        );
        let wide = BodyFormat::from(FormatSyntax::Csv(nulls()));
        let (header, line) = (
            (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join(","),
            ",".repeat(39),
        );
        let (read, _) = decode(&wide, None, format!("{header}\n{line}\n").as_bytes()).unwrap();
        let Value::Obj(fields) = &read[0] else {
            panic!("an object")
        };
        assert_eq!(
            (
                fields.len(),
                fields.values().all(|field| *field == Value::Null)
            ),
            (40, true)
        );
        assert!(error(nulls(), "a,b\n1,\"").contains("expected the quote that ends a field"));
        assert!(error(nulls(), &",".repeat(200)).contains("longer than 100 bytes"));
    }

    #[test]
    fn a_header_that_does_not_name_the_columns_is_an_error() {
        assert_eq!(
            error(CsvOptions::default(), "a,b,a\n1,2,3\n"),
            "CSV, row 1, line 1: the header gives column 3 the name of another"
        );
        let renamed = CsvOptions {
            names: vec!["x".into()],
            ..CsvOptions::default()
        };
        assert!(
            error(renamed, "a,b\n").contains("1 names are given for columns, but the header has 2")
        );
    }

    #[test]
    fn a_quote_without_its_end_and_a_row_without_an_end_are_errors() {
        for body in ["a,b\n1,\"2\n3,4\n", "a,b\n1,\""] {
            let expected =
                "CSV, row 1, line 2: the body ends here; expected the quote that ends a field";
            assert_eq!(error(CsvOptions::default(), body), expected);
        }
        let body = format!("a\n1\n\"{}", "x".repeat(200));
        assert_eq!(
            error(CsvOptions::default(), &body),
            "CSV, row 2, line 3: a row is longer than 100 bytes"
        );
        let wide = BodyFormat::from(FormatSyntax::Csv(CsvOptions::default()));
        assert!(
            decode(&wide, None, ",".repeat(100_000).as_bytes())
                .unwrap_err()
                .to_string()
                .contains("16384")
        );
    }
}
