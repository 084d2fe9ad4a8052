//! What other crates' tests need too.

mod private_node;

pub use private_node::{Ports, PrivateNode, listen_below_the_kernels_ports};
