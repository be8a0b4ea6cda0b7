//! The update mask of a body: which members were sent, and of a merge patch (RFC 7396) which members of its objects.

use bytes::BytesMut;

use crate::wire;

/// `google.protobuf.FieldMask.paths`.
const PATHS: u32 = 1;

/// The paths so far. A path of `external_ids.erp` changes that key of the map alone; the value that the message has for it is set,
/// and without one the key is removed, which is how `null` inside an object is said.
#[derive(Debug, Default)]
pub(super) struct Mask {
    /// The path of the object at hand, with a dot behind; empty at the top.
    above: String,
    paths: Vec<String>,
}

impl Mask {
    /// Names a member of the object at hand.
    pub(super) fn name(&mut self, name: &str) {
        self.paths.push(format!("{}{name}", self.above));
    }

    /// Names a key of the map at hand, between backticks where it could be read as something else (AIP-161).
    pub(super) fn key(&mut self, key: &str) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !key.is_empty() && key.chars().all(is_plain) {
            self.name(key);
        } else {
            self.name(&format!("`{}`", key.replace('`', "``")));
        }
    }

    /// Goes into a member, whose own members are named next.
    pub(super) fn enter(&mut self, name: &str) {
        self.above.push_str(name);
        self.above.push('.');
    }

    /// Leaves it.
    pub(super) fn leave(&mut self, name: &str) {
        let above = self.above.len().saturating_sub(name.len() + 1);
        self.above.truncate(above);
    }

    /// Whether the object at hand is inside another.
    pub(super) fn is_inside(&self) -> bool {
        !self.above.is_empty()
    }

    /// Writes the mask, present even when no member was sent: an absent mask could be read as "all". The paths are sorted, as the order
    /// of members says nothing.
    pub(super) fn put(mut self, out: &mut BytesMut, number: u32) {
        self.paths.sort_unstable();
        wire::put_tag(out, number, wire::LEN);
        let start = out.len();
        for path in &self.paths {
            wire::put_field(out, PATHS, path.as_bytes());
        }
        wire::close_len(out, start);
    }
}
