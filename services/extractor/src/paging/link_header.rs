//! The `Link` header (RFC 8288).

use http::{HeaderMap, header};

/// The target of the first link with this relation. Headers that cannot be read are skipped: an
/// answer without a link is the last page.
pub(super) fn target(headers: &HeaderMap, relation: &str) -> Option<String> {
    let values = headers
        .get_all(header::LINK)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(links)
        .find(|(_, parameters)| has_relation(parameters, relation))
        .map(|(target, _)| target.to_owned())
}

/// The links of one header: each target in angle brackets, with its parameters up to the comma
/// before the next link.
fn links(value: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    let mut rest = value;
    while let Some((target, after)) = rest
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
    {
        let end = end_at(',', after);
        links.push((target.trim(), &after[..end]));
        rest = &after[end..];
    }
    links
}

/// The index of the separator that ends a link or a parameter. A separator in a quoted value ends
/// nothing.
fn end_at(separator: char, parameters: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |c: char| {
        let ends = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    };
    parameters.find(ends).unwrap_or(parameters.len())
}

/// True if `rel` names the relation. Relations are separated by spaces and compared without regard
/// to case (§2.1.1, §3.3).
fn has_relation(parameters: &str, relation: &str) -> bool {
    let mut rest = parameters;
    let parameters = std::iter::from_fn(|| {
        let (parameter, after) = rest.split_at(end_at(';', rest));
        let found = (!rest.is_empty()).then_some(parameter);
        rest = after.strip_prefix(';').unwrap_or_default();
        found
    });
    let rel = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find_map(|(name, value)| {
            name.trim()
                .eq_ignore_ascii_case("rel")
                .then(|| value.trim().trim_matches('"'))
        });
    rel.is_some_and(|rel| {
        rel.split_ascii_whitespace()
            .any(|word| word.eq_ignore_ascii_case(relation))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(values: &[&str]) -> Option<String> {
        let values = values
            .iter()
            .map(|value| (header::LINK, value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| _ = headers.append(name, value));
        target(&headers, "next")
    }

    #[test]
    fn the_link_of_the_relation_is_found_among_others() {
        let found = Some("/rows?page=2".to_owned());
        assert_eq!(
            next(&[r#"<https://x/>; rel="prev", </rows?page=2>; rel="next"; title="a, b""#]),
            found
        );
        assert_eq!(
            next(&[
                r#"<x>; title="\", <y>; rel=next"; rel=last"#,
                "</rows?page=2>;REL = \"last NEXT\""
            ]),
            found
        );
        assert_eq!(next(&["</rows?page=2>; rel=next"]), found);
    }

    #[test]
    fn there_is_no_next_page_where_no_link_says_so() {
        for value in [
            "",
            "<>",
            "garbage",
            "<x>; rel=previous",
            "<x; rel=next",
            "<x>; title=next",
            "x>; rel=next",
            "<x>; rel",
        ] {
            assert_eq!(next(&[value]), None, "{value}");
        }
        assert_eq!(next(&[]), None);
    }

    proptest! {
        #[test]
        fn any_header_has_links_or_none(value in "[<>;,=\"\\\\a-z /ż]{0,40}|(<[a-z]{0,3}>; ?rel=\"?[a-z ]{0,6}\"?,?){0,4}") {
            let value = http::HeaderValue::from_bytes(value.as_bytes());
            target(&HeaderMap::from_iter(value.ok().map(|value| (header::LINK, value))), "next");
        }
    }
}
