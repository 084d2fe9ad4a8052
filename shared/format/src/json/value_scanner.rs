//! Ends of JSON values.

/// Finds the end of a JSON value, however the text is cut into chunks. The text is assumed to be
/// JSON: the value has to be read strictly afterwards.
#[derive(Default)]
pub(crate) struct ValueScanner {
    scanned: usize,
    depth: usize,
    in_string: bool,
}

impl ValueScanner {
    /// The length of the value at the beginning of the bytes. None while its end is missing. Each
    /// call gets the bytes of the call before and more.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(&byte) = bytes.get(self.scanned) {
            if self.in_string {
                self.skip_string(bytes)?;
                if self.depth == 0 {
                    return Some(self.scanned);
                }
                continue;
            }
            match byte {
                b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => {
                    return Some(self.scanned);
                }
                b'"' => self.in_string = true,
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.scanned + 1);
                    }
                }
                _ => {}
            }
            self.scanned += 1;
        }
        None
    }

    /// Goes on after the end of a string. None while its end is missing. An incomplete escape is
    /// left for the next call.
    fn skip_string(&mut self, bytes: &[u8]) -> Option<()> {
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[self.scanned..]) else {
                self.scanned = bytes.len();
                return None;
            };
            self.scanned += found;
            if bytes[self.scanned] == b'"' {
                self.scanned += 1;
                self.in_string = false;
                return Some(());
            }
            bytes.get(self.scanned + 1)?;
            self.scanned += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_it_ends_however_it_is_cut() {
        for (text, end) in [
            ("1,", Some(1)),
            ("1]", Some(1)),
            ("-1.5e3 ,", Some(6)),
            ("1", None),
            ("true\n", Some(4)),
            (r#""a\"]b","#, Some(7)),
            (r#""\\""#, Some(4)),
            (r#""\"#, None),
            (r#"{"a]":[1,{"b":"}"}]},{}"#, Some(20)),
            ("[[],[]", None),
            (",", Some(0)),
            ("]", Some(0)),
            ("", None),
        ] {
            assert_eq!(ValueScanner::default().find(text.as_bytes()), end, "{text}");
            let mut piecewise = ValueScanner::default();
            let found =
                (1..=text.len()).find_map(|length| piecewise.find(&text.as_bytes()[..length]));
            assert_eq!(found, end, "{text} byte by byte");
        }
    }
}
