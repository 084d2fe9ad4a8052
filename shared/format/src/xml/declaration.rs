//! The XML declaration, which may name the charset.

/// The longest declaration, in bytes.
const MAX_LENGTH: usize = 1024;

/// The charset that the beginning of a document names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum XmlDeclaration {
    /// More of the document is needed.
    Incomplete,
    /// The document names no charset.
    Silent,
    /// The label of the charset.
    Names(String),
}

/// Reads the declaration at the beginning of a document (XML 1.0 §4.3.3), in any charset that
/// contains ASCII.
pub(crate) fn declaration(head: &[u8]) -> XmlDeclaration {
    const BEGIN: &[u8] = b"<?xml";
    if head.len() < BEGIN.len() && BEGIN.starts_with(head) {
        return XmlDeclaration::Incomplete;
    }
    let Some(rest) = head.strip_prefix(BEGIN) else {
        return XmlDeclaration::Silent;
    };
    match memchr::memmem::find(rest, b"?>") {
        Some(end) if end <= MAX_LENGTH => {
            label(&rest[..end]).map_or(XmlDeclaration::Silent, XmlDeclaration::Names)
        }
        None if rest.len() <= MAX_LENGTH => XmlDeclaration::Incomplete,
        _ => XmlDeclaration::Silent,
    }
}

fn label(declaration: &[u8]) -> Option<String> {
    let name = memchr::memmem::find(declaration, b"encoding")?;
    let value = declaration[name + b"encoding".len()..]
        .trim_ascii_start()
        .strip_prefix(b"=")?;
    let (quote, value) = value.trim_ascii_start().split_first()?;
    let label = value.split(|byte| byte == quote).next()?;
    Some(String::from_utf8_lossy(label).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_names_the_charset_once_it_has_come() {
        let document = b"<?xml version='1.0' encoding = \"ISO-8859-2\" standalone='yes'?><a/>";
        let end = document
            .iter()
            .position(|&byte| byte == b'>')
            .expect("it ends")
            + 1;
        for length in 0..end {
            assert_eq!(
                declaration(&document[..length]),
                XmlDeclaration::Incomplete,
                "{length}"
            );
        }
        assert_eq!(
            declaration(&document[..end]),
            XmlDeclaration::Names("ISO-8859-2".into())
        );
        assert_eq!(
            declaration(document),
            XmlDeclaration::Names("ISO-8859-2".into())
        );
    }

    #[test]
    fn a_document_without_a_declaration_or_charset_is_silent() {
        for document in [
            "<a/>",
            "\u{feff}<?xml",
            "<?xml version='1.0'?>",
            " <?xml encoding='x'?>",
            "<?xm?",
        ] {
            assert_eq!(
                declaration(document.as_bytes()),
                XmlDeclaration::Silent,
                "{document}"
            );
        }
        let endless = ["<?xml ", &"x".repeat(2 * MAX_LENGTH), "encoding='x'?>"].concat();
        assert_eq!(declaration(endless.as_bytes()), XmlDeclaration::Silent);
    }
}
