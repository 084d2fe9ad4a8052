//! Places in expressions, and in the files in which these stand.

/// The place in a file at which a byte of an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpressionPlace {
    /// The byte of the expression.
    pub offset: usize,
    /// The line of the file, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
}

/// The file in which an expression stands.
pub(crate) struct SourceFile {
    name: String,
    /// The places of the words of the expression, in their order.
    places: Vec<ExpressionPlace>,
}

impl SourceFile {
    /// A file in which the words of a source stand at the places that the closure gives for their
    /// bytes.
    pub(crate) fn new(
        name: &str,
        source: &str,
        place_of: impl Fn(usize) -> ExpressionPlace,
    ) -> SourceFile {
        SourceFile {
            name: name.to_owned(),
            places: words(source).map(place_of).collect(),
        }
    }

    /// The place of a byte of the source, as `file:line:column`.
    pub(crate) fn place_of(&self, source: &str, offset: usize) -> String {
        let name = &self.name;
        match self.places.iter().rfind(|place| place.offset <= offset) {
            Some(word) => {
                let column = word.column + source[word.offset..offset].chars().count();
                format!("{name}:{}:{column}", word.line)
            }
            None => name.clone(),
        }
    }
}

/// The place of a byte of a source that stands in no file.
pub(crate) fn place_in_source(source: &str, offset: usize) -> String {
    let before = &source[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (line, column) = (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    );
    format!("line {line}, column {column}")
}

/// The name that stands at a byte of a source, or the path or sign.
pub(crate) fn word_at(source: &str, offset: usize) -> &str {
    let rest = &source[offset..];
    let end = rest
        .find(|c: char| !(c.is_alphanumeric() || "_@$.".contains(c)))
        .unwrap_or(rest.len());
    if end == 0 {
        rest.split_whitespace().next().unwrap_or_default()
    } else {
        &rest[..end]
    }
}

/// The bytes at which the words of a source begin.
fn words(source: &str) -> impl Iterator<Item = usize> {
    let begins =
        |(place, _): &(usize, char)| !source[..*place].ends_with(|c: char| !c.is_whitespace());
    source
        .char_indices()
        .filter(|(_, c)| !c.is_whitespace())
        .filter(begins)
        .map(|(place, _)| place)
}
