//! Measuring the pipeline of three separate processes beside a bare loop that posts the same
//! bodies.

pub mod bare;
pub mod process;
pub mod report;
