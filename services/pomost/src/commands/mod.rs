//! The commands, a file each.

pub mod bench;
pub mod check;
pub mod cursor;
pub mod dead;
pub mod demo;
pub mod eval;
pub mod init;
pub mod run;
pub mod sandbox;
pub mod schema;
pub mod status;
pub mod sync;
pub mod system;
