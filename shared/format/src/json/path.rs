//! Paths of lists in JSON documents, and the jq expressions that name them.

/// The place of the rows in a JSON document: the elements of the list below these fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowPath {
    /// The fields from the document's root to the list.
    pub fields: Vec<String>,
    /// True where a document without the list has no rows. Otherwise it is an error.
    pub optional: bool,
}

impl RowPath {
    /// The path in the notation of jq, for people to read.
    pub(crate) fn label(&self) -> String {
        let fields: String = self
            .fields
            .iter()
            .map(|field| format!(".{field}"))
            .collect();
        if fields.is_empty() {
            ".".into()
        } else {
            fields
        }
    }
}

/// Splits a jq expression that reads the elements of one list, so that they can be read while the
/// list is still coming in: `.customers[]`, `.data["line items"][]?`, `.[]`, also with a pipe
/// behind it, `.customers[] | select(.active)`.
///
/// Returns the place of the list and the expression that is left for each element, `.` where the
/// element itself is the row. None for any other expression, which needs the whole document.
///
/// The rows are the ones that jq gives, with one difference: a field on the path that occurs twice
/// in its object is an error.
pub fn row_path(expression: &str) -> Option<(RowPath, &str)> {
    let mut rest = expression.trim().strip_prefix('.')?;
    let mut fields = Vec::new();
    let mut after_dot = true;
    let behind = loop {
        if let Some(inner) = rest.strip_prefix('[') {
            let inner = inner.trim_start();
            if let Some(behind) = inner.strip_prefix(']') {
                break behind;
            }
            let (field, behind) = quoted(inner)?;
            fields.push(field);
            rest = behind.trim_start().strip_prefix(']')?;
        } else if after_dot {
            let (field, behind) = quoted(rest).or_else(|| identifier(rest))?;
            fields.push(field);
            rest = behind;
        } else {
            return None;
        }
        after_dot = rest.starts_with('.');
        rest = rest.strip_prefix('.').unwrap_or(rest);
    };
    let required = behind.trim_start_matches('?');
    let path = RowPath {
        fields,
        optional: required.len() < behind.len(),
    };
    Some((path, each(required.trim_start())?))
}

/// The expression that is left for each element.
fn each(behind: &str) -> Option<&str> {
    if behind.is_empty() {
        return Some(".");
    }
    let each = behind
        .strip_prefix('|')
        .filter(|each| !each.starts_with('='))?
        .trim();
    (!each.is_empty()).then_some(each)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let (field, rest) = text.strip_prefix('"')?.split_once('"')?;
    // An escape may also begin an interpolation, `\(`, which is no constant name.
    (!field.contains('\\')).then(|| (field.to_owned(), rest))
}

fn identifier(text: &str) -> Option<(String, &str)> {
    let end = text
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(text.len());
    let (field, rest) = text.split_at(end);
    let is_name = field.starts_with(|letter: char| !letter.is_ascii_digit());
    is_name.then(|| (field.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(expression: &str) -> Option<(String, bool, &str)> {
        row_path(expression).map(|(path, each)| (path.fields.join("/"), path.optional, each))
    }

    #[test]
    fn an_expression_that_reads_one_list_is_split() {
        for (expression, fields, optional, each) in [
            (".[]", "", false, "."),
            (" .[]? ", "", true, "."),
            (".customers[]", "customers", false, "."),
            (".customers.[]", "customers", false, "."),
            (".data.items[]", "data/items", false, "."),
            (".\"line items\"[]", "line items", false, "."),
            (".data[\"line items\"][ ]", "data/line items", false, "."),
            (".[\"a\"].b[]?", "a/b", true, "."),
            (".a_1[] | select(.x) | .y", "a_1", false, "select(.x) | .y"),
            (".a[]|.b[]", "a", false, ".b[]"),
        ] {
            assert_eq!(
                path(expression),
                Some((fields.into(), optional, each)),
                "{expression}"
            );
        }
    }

    #[test]
    fn any_other_expression_needs_the_whole_document() {
        for expression in [
            "",
            ".",
            ".a",
            "..[]",
            ".a[0]",
            ".a[0][]",
            ".a[][]",
            ".a[].b",
            ".a[].b[]",
            ".a[], .b[]",
            ".a[] // 1",
            ".a[] |= 1",
            ".a[] |",
            ".a?[]",
            "(.a)[]",
            ".a[1:]",
            ".\"a\\(1)\"[]",
            ".1[]",
            ".a [] x",
            ".é[]",
            "$x[]",
            ".a[] as $x | $x",
            ".a[] # c",
            ".a..[]",
            ".[\"a]",
            ".a b[]",
        ] {
            assert_eq!(path(expression), None, "{expression}");
        }
    }
}
