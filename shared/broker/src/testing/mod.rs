//! What other crates' tests need too.

mod address;
mod private_node;

pub use address::address_of_our_own;
pub use private_node::PrivateNode;
