//! Charsets: strict decoding of a body into UTF-8.

use std::fmt;

use encoding_rs::{DecoderResult, Encoding, UTF_8};

use crate::{
    DecodePlace, DecodeProblem,
    error::PlacedProblem,
    xml::{XmlDeclaration, declaration},
};

/// The number of bytes that are decoded at once. It bounds the buffer for their text.
const DECODE_STEP_BYTES: usize = 64 * 1024;

/// A charset of the WHATWG Encoding Standard. UTF-8 by default.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// The charset with a label of the Encoding Standard, such as `utf-8`, `windows-1250` or
    /// `iso-8859-2`, in upper or lower case.
    pub fn of_label(label: &str) -> Option<Charset> {
        Encoding::for_label_no_replacement(label.as_bytes()).map(Charset)
    }

    /// The name of the charset as the WHATWG Encoding Standard has it.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Decodes bytes for people to read. Bytes that are not of the charset are replaced.
    pub fn lossy(self, bytes: &[u8]) -> String {
        self.0.decode(bytes).0.into_owned()
    }

    /// True where text can be written in the charset. UTF-16 is only read, as on the web.
    pub fn is_written(self) -> bool {
        self.0.output_encoding() == self.0
    }

    pub(crate) fn encoding(self) -> &'static Encoding {
        self.0
    }
}

impl Default for Charset {
    fn default() -> Charset {
        Charset(UTF_8)
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Decodes the bytes of a body into text, chunk by chunk.
pub(crate) struct CharsetDecoder {
    decoder: encoding_rs::Decoder,
    read: u64,
    /// The beginning of a document whose charset is not known yet.
    head: Option<Vec<u8>>,
}

impl CharsetDecoder {
    /// A decoder of a charset. If none is given and `declares` is true, an XML declaration may name
    /// the charset.
    pub(crate) fn new(charset: Option<Charset>, declares: bool) -> CharsetDecoder {
        let head = (declares && charset.is_none()).then(Vec::new);
        CharsetDecoder {
            decoder: charset.unwrap_or_default().0.new_decoder(),
            read: 0,
            head,
        }
    }

    /// Appends the text of the next bytes. `last` is true for the last bytes. The decoder must not
    /// be used again after them or after an error.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        text: &mut String,
        last: bool,
    ) -> Result<(), PlacedProblem> {
        let Some(mut head) = self.head.take() else {
            return self.decode_all(bytes, text, last);
        };
        head.extend_from_slice(bytes);
        match declaration(&head) {
            XmlDeclaration::Incomplete if !last => {
                self.head = Some(head);
                return Ok(());
            }
            XmlDeclaration::Names(label) => self.decoder = declared(&label)?.new_decoder(),
            XmlDeclaration::Incomplete | XmlDeclaration::Silent => {}
        }
        self.decode_all(&head, text, last)
    }

    /// Number of bytes that are held until the document has named its charset.
    pub(crate) fn held(&self) -> usize {
        self.head.as_ref().map_or(0, Vec::len)
    }

    fn decode_all(
        &mut self,
        bytes: &[u8],
        text: &mut String,
        last: bool,
    ) -> Result<(), PlacedProblem> {
        let mut pieces = bytes.chunks(DECODE_STEP_BYTES).peekable();
        while let Some(piece) = pieces.next() {
            self.decode_piece(piece, text, last && pieces.peek().is_none())?;
        }
        if last && bytes.is_empty() {
            self.decode_piece(&[], text, true)
        } else {
            Ok(())
        }
    }

    fn decode_piece(
        &mut self,
        mut bytes: &[u8],
        text: &mut String,
        last: bool,
    ) -> Result<(), PlacedProblem> {
        loop {
            let room = self
                .decoder
                .max_utf8_buffer_length_without_replacement(bytes.len());
            text.reserve(room.unwrap_or(DECODE_STEP_BYTES));
            let (result, read) = self
                .decoder
                .decode_to_string_without_replacement(bytes, text, last);
            self.read += read as u64;
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    let place = DecodePlace::Byte(
                        self.read
                            .saturating_sub(u64::from(length) + u64::from(after)),
                    );
                    return Err(self.fault(place, last && bytes.is_empty()));
                }
            }
        }
    }

    fn fault(&self, place: DecodePlace, at_end: bool) -> PlacedProblem {
        let charset = self.decoder.encoding().name();
        if at_end {
            return PlacedProblem::truncated(
                place,
                format!("the rest of a character of {charset}"),
            );
        }
        PlacedProblem {
            place,
            problem: DecodeProblem::Charset(charset),
        }
    }
}

/// The encoding that an XML declaration names. A declaration that could be read is not in UTF-16,
/// whatever it says: such documents were made in memory as UTF-16 and sent as UTF-8.
fn declared(label: &str) -> Result<&'static Encoding, PlacedProblem> {
    let known = Charset::of_label(label).ok_or_else(|| {
        let message = "the XML declaration names an encoding that nobody knows; give the encoding";
        PlacedProblem::malformed(DecodePlace::Byte(0), message)
    })?;
    Ok(known.0.output_encoding())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(label: &str, chunks: &[&[u8]]) -> Result<String, PlacedProblem> {
        let mut transcoder = CharsetDecoder::new(Charset::of_label(label), false);
        let mut text = String::new();
        chunks
            .iter()
            .try_for_each(|chunk| transcoder.decode(chunk, &mut text, false))?;
        transcoder.decode(&[], &mut text, true)?;
        Ok(text)
    }

    #[test]
    fn charsets_of_business_systems_become_utf_8() {
        assert_eq!(text("windows-1250", &[b"\xbf\xf3\xb3w"]).unwrap(), "żółw");
        assert_eq!(text("ISO-8859-2", &[b"\xbf\xf3\xb3w"]).unwrap(), "żółw");
        assert_eq!(
            text("utf-16le", &[b"\x7c\x01\xf3", b"\x00B\x01w\x00"]).unwrap(),
            "żółw"
        );
        assert_eq!(text("shift_jis", &[b"\x8b", b"\x54"]).unwrap(), "亀");
        assert!(Charset::of_label("klingon").is_none());
        assert!(Charset::of_label("iso-2022-kr").is_none());
    }

    #[test]
    fn a_byte_order_mark_is_dropped_and_overrules() {
        assert_eq!(text("utf-8", &[b"\xef", b"\xbb\xbfa"]).unwrap(), "a");
        assert_eq!(
            text("windows-1250", &[b"\xef\xbb\xbf\xc5\xbc"]).unwrap(),
            "ż"
        );
        assert_eq!(text("utf-8", &[b"\xff\xfea\x00"]).unwrap(), "a");
    }

    #[test]
    fn what_is_not_of_the_charset_is_an_error_with_its_place() {
        let wrong = |place, charset| {
            Err(PlacedProblem {
                place: DecodePlace::Byte(place),
                problem: DecodeProblem::Charset(charset),
            })
        };
        assert_eq!(text("utf-8", &[b"ab\xff\xffcd"]), wrong(2, "UTF-8"));
        assert_eq!(text("utf-8", &[b"ab\xc5", b"cd"]), wrong(2, "UTF-8"));
        assert_eq!(
            text("utf-8", &[&[b'a'; 3 * DECODE_STEP_BYTES], b"\xc0\x80"]),
            wrong(3 * DECODE_STEP_BYTES as u64, "UTF-8")
        );
        assert_eq!(text("windows-1252", &[b"\x81"]).unwrap(), "\u{81}");
        assert_eq!(text("windows-1253", &[b"a\xd2"]), wrong(1, "windows-1253"));
        let cut = text("utf-8", &[b"a\xc5"]).unwrap_err();
        assert!(
            matches!(
                cut,
                PlacedProblem {
                    place: DecodePlace::Byte(1),
                    problem: DecodeProblem::Truncated(_)
                }
            ),
            "{cut:?}"
        );
        let (mut transcoder, mut text) = (CharsetDecoder::new(None, true), String::new());
        transcoder.decode(b"<?xml \xc5", &mut text, false).unwrap();
        assert_eq!((transcoder.held(), text.as_str()), (7, ""));
        let cut = transcoder.decode(&[], &mut text, true).unwrap_err();
        assert!(
            matches!(
                cut,
                PlacedProblem {
                    place: DecodePlace::Byte(6),
                    problem: DecodeProblem::Truncated(_)
                }
            ),
            "{cut:?}"
        );
    }
}
