//! The example project `examples/customers`, carried in the binary so that `pomost demo` needs no
//! checkout.

use std::{fs, io, path::Path};

use pomost_project::{Problems, Project, environment::Environment};

/// The example's files, by their paths in the project.
const FILES: [(&str, &str); 5] = [
    (
        "systems/crm.yaml",
        include_str!("../../../examples/customers/systems/crm.yaml"),
    ),
    (
        "systems/shop.yaml",
        include_str!("../../../examples/customers/systems/shop.yaml"),
    ),
    (
        "flows/customers.yaml",
        include_str!("../../../examples/customers/flows/customers.yaml"),
    ),
    (
        "schemas/crm-customer.json",
        include_str!("../../../examples/customers/schemas/crm-customer.json"),
    ),
    (
        "schemas/shop-customer.json",
        include_str!("../../../examples/customers/schemas/shop-customer.json"),
    ),
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
    let lines = systems
        .variables()
        .map(|(name, value)| format!("{name}={value}\n"));
    put(&directory.join(".env"), &lines.concat())
}

/// The example in a directory, between these systems and no others: an environment that names the
/// systems of somebody's business, as their own project does, has no say in it.
pub fn load(directory: &Path, systems: &Systems) -> Result<Project, Problems> {
    let variables = systems
        .variables()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Project::load(directory, &Environment::of(directory, variables))
}

impl Systems {
    /// What the example's files call them.
    pub fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("CRM_URL", &self.crm_url),
            ("CRM_TOKEN", &self.crm_token),
            ("SHOP_URL", &self.shop_url),
            ("SHOP_KEY", &self.shop_key),
        ]
    }
}

fn put(path: &Path, content: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)
}
