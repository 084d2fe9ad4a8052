//! Paths of elements.

use std::str::FromStr;

use crate::xml::is_name;

/// A path of elements: `order` for elements with this name anywhere, `orders/order` for elements
/// that end a path, or `/orders/order` for elements at a path from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementPath {
    names: Vec<String>,
    from_root: bool,
}

impl FromStr for ElementPath {
    type Err = String;

    fn from_str(path: &str) -> Result<ElementPath, String> {
        let from_root = path.starts_with('/');
        let names: Vec<String> = path
            .trim_start_matches('/')
            .split('/')
            .map(str::to_owned)
            .collect();
        if path.starts_with("//") || !names.iter().all(|name| is_name(name)) {
            return Err(
                "expected the name of an element or a path to it, such as /orders/order".into(),
            );
        }
        Ok(ElementPath { names, from_root })
    }
}

impl ElementPath {
    /// True where the path leads to an element with this name, inside elements with these names.
    /// The names go from the inside outwards.
    pub(crate) fn matches<'a>(&self, mut outwards: impl Iterator<Item = &'a str>) -> bool {
        self.names
            .iter()
            .rev()
            .all(|name| outwards.next() == Some(name))
            && !(self.from_root && outwards.next().is_some())
    }

    /// The name of the element itself.
    pub(crate) fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// The names of the elements around it, from the root. None where the path does not say them.
    pub(crate) fn ancestors(&self) -> Option<&[String]> {
        let (_, ancestors) = self.names.split_last()?;
        (self.from_root && !ancestors.is_empty()).then_some(ancestors)
    }

    /// The name of the root element, where the path says it.
    pub(crate) fn root(&self) -> Option<&str> {
        self.names
            .first()
            .filter(|_| self.from_root)
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_means_elements_by_name_by_tail_or_from_the_root() {
        let matches = |path: &str, element: &str| {
            path.parse::<ElementPath>()
                .unwrap()
                .matches(element.rsplit('/'))
        };
        assert!(
            matches("order", "a/order")
                && matches("order", "order")
                && !matches("order", "order/a")
        );
        assert!(matches("b/order", "a/b/order") && !matches("b/order", "order"));
        assert!(matches("/a/order", "a/order") && !matches("/a/order", "x/a/order"));
        for path in ["", "/", "//a", "a/", "a//b", "a b", "/a[1]", "@id"] {
            assert!(path.parse::<ElementPath>().is_err(), "{path}");
        }
    }
}
