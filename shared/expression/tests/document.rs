//! The document of the functions is what the table of the functions gives.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use pomost_expression::functions;

#[test]
fn the_document_is_what_the_table_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/functions.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, functions::document()).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == functions::document(),
        "docs/functions.md is stale: UPDATE_EXPECTED=1 cargo test -p pomost-expression --test document writes it anew"
    );
}
