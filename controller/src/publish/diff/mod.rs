//! The encode side of segments: where they are cut, which old data each may refer to, and which
//! codec makes it smallest. The same input gives the same bytes, however many threads work.

mod compress;
mod plan;

pub use compress::{Encoded, encode};
pub use plan::{OldLayout, Part, Span, plan_content, plan_list};
