#![doc = include_str!("../README.md")]

mod mask;
mod record;
mod value;
mod violations;

pub use mask::Mask;
pub use record::Input;
pub use value::{choice, id, line, required_line};
pub use violations::{Violations, escaped, pointer};
