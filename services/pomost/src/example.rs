//! The example project `examples/customers`, carried in the binary so that `pomost demo` needs no
//! checkout.

use std::{fs, io, path::Path};

/// The example's files, by their paths in the project.
const FILES: [(&str, &str); 5] = [
    ("systems/crm.yaml", include_str!("../../../examples/customers/systems/crm.yaml")),
    ("systems/shop.yaml", include_str!("../../../examples/customers/systems/shop.yaml")),
    ("flows/customers.yaml", include_str!("../../../examples/customers/flows/customers.yaml")),
    ("schemas/crm-customer.json", include_str!("../../../examples/customers/schemas/crm-customer.json")),
    ("schemas/shop-customer.json", include_str!("../../../examples/customers/schemas/shop-customer.json")),
];

/// Where the example's two systems are, and what they let in.
#[derive(Debug, Clone)]
pub struct Systems {
    /// The CRM's base URL.
    pub crm_url: String,
    /// The CRM's bearer token.
    pub crm_token: String,
    /// The shop's base URL.
    pub shop_url: String,
    /// The shop's API key.
    pub shop_key: String,
}

/// Writes the example into a directory, with a `.env` for its systems.
pub fn write(directory: &Path, systems: &Systems) -> io::Result<()> {
    for (path, content) in FILES {
        put(&directory.join(path), content)?;
    }
    let Systems { crm_url, crm_token, shop_url, shop_key } = systems;
    let environment =
        format!("CRM_URL={crm_url}\nCRM_TOKEN={crm_token}\nSHOP_URL={shop_url}\nSHOP_KEY={shop_key}\n");
    put(&directory.join(".env"), &environment)
}

fn put(path: &Path, content: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)
}
