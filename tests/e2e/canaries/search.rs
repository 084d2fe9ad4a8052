//! The search for marked values.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// The mark, which every marked value contains and nothing else does.
pub(crate) const MARK: &str = "CANARY";

/// A search for marked values in the texts that people may see.
pub(crate) struct MarkSearch {
    marks: Vec<String>,
    found: Vec<String>,
    places: usize,
}

impl MarkSearch {
    pub(crate) fn new() -> MarkSearch {
        // However a value is encoded in a URL or in JSON, its letters stay; Base64 has them in
        // three forms.
        let encoded =
            ["", "x", "xx"].map(|before| STANDARD_NO_PAD.encode(format!("{before}{MARK}")));
        let middle = |text: &String| text[text.len() - 8..text.len() - 2].to_owned();
        MarkSearch {
            marks: [MARK.to_owned()]
                .into_iter()
                .chain(encoded.iter().map(middle))
                .collect(),
            found: Vec::new(),
            places: 0,
        }
    }

    /// Searches a text that people may see.
    pub(crate) fn look_at(&mut self, place: &str, text: &str) {
        self.places += 1;
        for mark in &self.marks {
            if let Some(at) = text.find(mark.as_str()) {
                let start =
                    (0..=at.saturating_sub(300)).rfind(|&start| text.is_char_boundary(start));
                let around: String = text[start.unwrap_or(0)..].chars().take(500).collect();
                self.found.push(format!("{place}: …{around}…"));
            }
        }
    }

    pub(crate) fn look_at_bytes(&mut self, place: &str, bytes: &[u8]) {
        self.look_at(place, &String::from_utf8_lossy(bytes));
    }

    /// Checks that there was enough to search and nothing was found.
    pub(crate) fn assert_nothing_found(&self) {
        assert!(self.places > 20, "{} places", self.places);
        assert!(
            self.found.is_empty(),
            "{} leaks:\n{}",
            self.found.len(),
            self.found.join("\n\n")
        );
    }
}
