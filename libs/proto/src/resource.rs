//! Messages that a method changes by an update mask, and their members.

/// A message that callers change member by member.
pub trait Resource: prost::Message {
    /// All members, in the order of their numbers.
    const MEMBERS: &'static [Member];
}

/// One member of a [`Resource`], as the descriptors have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The number of the field.
    pub number: u32,
    /// The name, the same in JSON and in update masks.
    pub name: &'static str,
    /// Only the service sets it (AIP-203): sent back, it is ignored.
    pub output_only: bool,
    /// What a path may name inside it.
    pub inside: Inside,
}

/// What a path of an update mask may name inside a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Nothing: one value, or a list, which is replaced as a whole.
    Nothing,
    /// Any key: a JSON object.
    Json,
    /// Any key: a map.
    Keys,
    /// The members of a message, those left out that only the service sets.
    Members(&'static [&'static str]),
}
