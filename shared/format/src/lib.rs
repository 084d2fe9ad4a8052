//! The formats of business APIs: JSON, JSON Lines, CSV, XML, forms and text.
//!
//! Reading is a push: a [`RowDecoder`] is fed the chunks of a body as they come and returns its
//! rows one by one. It holds no more of the body in memory than the row that is not complete yet.
//! So it also reads a list of a gigabyte in one JSON or XML document. The document around the list,
//! with the next page's URL for example, is available at the end as [`RowDecoder::envelope`].
//!
//! ```
//! use pomost_expression::write;
//! use pomost_format::{BodyFormat, RowDecoder, row_path};
//!
//! let (list, each) = row_path(".customers[]").expect("a simple path");
//! assert_eq!(each, ".");
//! let mut decoder = RowDecoder::new(&BodyFormat::default(), Some(list));
//! let mut rows = Vec::new();
//! for chunk in [r#"{"customers":[{"id":1},{"i"#, r#"d":2}],"next":"/2"}"#] {
//!     decoder.feed(chunk.as_bytes());
//!     for row in decoder.by_ref() {
//!         rows.push(write(&row?)?);
//!     }
//! }
//! decoder.finish();
//! for row in decoder.by_ref() {
//!     rows.push(write(&row?)?);
//! }
//! assert_eq!(rows, [r#"{"id":1}"#, r#"{"id":2}"#]);
//! assert_eq!(write(decoder.envelope())?, r#"{"customers":[],"next":"/2"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`encode`] writes a list of records, [`encode_one`] writes one record, and a [`BodyEncoder`]
//! writes a long list.

mod charset;
mod csv;
mod decode;
mod encode;
mod error;
mod form;
mod format;
mod json;
mod json_lines;
mod line_scanner;
mod row_parser;
mod settings;
mod text;
mod text_buffer;
mod xml;

pub use charset::Charset;
pub use csv::CsvOptions;
pub use decode::{RowDecoder, decode};
pub use encode::{BodyEncoder, EncodeError, encode, encode_one};
pub use error::{DecodeError, DecodePlace, DecodeProblem};
pub use format::{BodyFormat, DecodeLimits, FormatSyntax};
pub use json::{RowPath, row_path};
pub use settings::SettingsError;
pub use text::TextOptions;
pub use xml::{ElementPath, XmlOptions};
