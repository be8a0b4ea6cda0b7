#![doc = include_str!("../README.md")]

mod json;
mod mask;
mod record;
mod value;
mod violations;

pub use json::{canonical, merge};
pub use mask::{Mask, Part};
pub use record::Input;
pub use value::{choice, id, line, required_line};
pub use violations::{Violations, escaped, pointer};
