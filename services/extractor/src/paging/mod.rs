//! The pages of a listing: their positions, the `Link` header, and the end of sources that have
//! none.

mod link_header;
mod loop_guard;
mod position;

pub(crate) use loop_guard::LoopGuard;
pub use position::PagePosition;
pub(crate) use position::query_parameter;
