//! The filter language: its tree, and where everything stood in the text.
//!
//! ```text
//! filter     = or
//! or         = and { "OR" and }
//! and        = not { "AND" not }
//! not        = [ "NOT" ] ( "(" or ")" | comparison )
//! comparison = field operator ( value | "(" value { "," value } ")" )
//! operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"
//! value      = "text" | number | true | false | date | date-time | "*" (after ":" only)
//! ```
//!
//! `NOT` binds tightest, then `AND`, then `OR`, as in SQL (and unlike AIP-160, where `OR` binds tighter). Keywords are
//! capitals. `field:*` means that the field has a value. Lists stand after `=` and `!=`.

mod parser;
#[cfg(test)]
mod tests;

pub use parser::parse;

/// Most comparisons in one filter; a list counts as one.
pub const MAX_COMPARISONS: usize = 25;
/// Deepest nesting of brackets and `NOT`.
pub const MAX_DEPTH: usize = 5;
/// Most values in one list.
pub const MAX_LIST: usize = 100;
/// Longest filter, in bytes.
pub const MAX_BYTES: usize = 8 * 1024;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of these hold; at least two.
    And(Vec<Expr>),
    /// One of these holds; at least two.
    Or(Vec<Expr>),
    /// This does not hold; the exact complement, also where values are unset.
    Not(Box<Expr>),
    /// A single comparison.
    Compare(Comparison),
}

/// `field operator value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The field's public name, such as `last_name` or `custom.tier`.
    pub field: String,
    /// Where the name stands: characters before it.
    pub at: usize,
    /// The operator.
    pub op: Op,
    /// One value, or the values of a list.
    pub values: Vec<Value>,
}

/// A comparison's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`: equal to the value, or to one of the list.
    Eq,
    /// `!=`: the exact complement of `=`, so it holds for unset values.
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `:`: begins with, on text; contains, on sets.
    Has,
}

impl Op {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Has => ":",
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Characters before it.
    pub at: usize,
    /// What it is.
    pub literal: Literal,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// In double quotes; `\"`, `\\`, `\n` and `\t` are escapes.
    Text(String),
    /// A number, a date or a date-time: begins with a digit or `-`; read when the field's type is known.
    Bare(String),
    /// `true` or `false`.
    Bool(bool),
    /// `*`: any value at all.
    Any,
}
