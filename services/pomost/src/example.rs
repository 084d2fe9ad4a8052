//! The example project `examples/customers`, which the binary carries so that `pomost demo` needs
//! no checkout.

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

/// The addresses of the example's two systems, and the credentials that they take.
#[derive(Debug, Clone)]
pub struct ExampleSystems {
    pub crm_url: String,
    /// The CRM's bearer token.
    pub crm_token: String,
    pub shop_url: String,
    /// The shop's API key.
    pub shop_key: String,
}

/// Writes the example into a directory, with a `.env` for its systems.
pub fn write(directory: &Path, systems: &ExampleSystems) -> io::Result<()> {
    for (path, content) in FILES {
        put(&directory.join(path), content)?;
    }
    let lines = systems
        .variables()
        .map(|(name, value)| format!("{name}={value}\n"));
    put(&directory.join(".env"), &lines.concat())
}

/// Loads the example in a directory, for these systems and no others: variables of the environment,
/// which may name the systems of somebody's business, are not read.
pub fn load(directory: &Path, systems: &ExampleSystems) -> Result<Project, Problems> {
    let variables = systems
        .variables()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Project::load(directory, &Environment::of(directory, variables))
}

impl ExampleSystems {
    /// The variables by which the example's files refer to the systems.
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
