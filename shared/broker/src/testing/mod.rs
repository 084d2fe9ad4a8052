//! Help for tests of this crate and of others.

mod address;
mod private_node;

pub use address::address_of_our_own;
pub use private_node::PrivateNode;
