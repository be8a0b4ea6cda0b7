//! JSON arrays -> repeated fields, JSON objects -> maps.

use std::borrow::Cow;

use super::body::Walk;
use super::merge::Mask;
use crate::json::scan::JsonError;
use crate::rules;
use crate::schema::{FieldPlan, Kind, Shape};
use crate::wire;
use reasons::Reason;

/// Up to so many elements are compared pair by pair; longer lists are sorted.
const SMALL_LIST: usize = 16;

/// Where the bytes of an element stand.
struct Written {
    index: usize,
    start: usize,
    end: usize,
}

impl<'a> Walk<'a, '_> {
    /// Reads an array and writes the field once for each element, or packed.
    pub(super) fn list(&mut self, field: &'a FieldPlan) -> Result<(), JsonError> {
        if self.scan.peek()? != b'[' {
            return self.mismatch("an array");
        }
        self.scan.open()?;
        let field_start = self.out.len();
        let packed = field.kind.wire_type() != wire::LEN;
        if packed {
            wire::put_tag(self.out, field.number, wire::LEN);
        }
        let values_start = self.out.len();
        let mut written: Vec<Written> = Vec::new();
        let mut count = 0_usize;
        while self.scan.element(count == 0)? {
            self.violations.enter_index(count);
            if !packed {
                wire::put_tag(self.out, field.number, wire::LEN);
            }
            let start = self.out.len();
            self.value(field.kind, &field.rules.value)?;
            let end = self.out.len();
            // A value of the wrong type has left no bytes.
            if field.rules.unique && end > start {
                written.push(Written { index: count, start, end });
            }
            self.violations.leave();
            count += 1;
        }
        let values_end = self.out.len();
        if packed && count == 0 {
            self.out.truncate(field_start);
        } else if packed {
            wire::close_len(self.out, values_start);
        }
        if let Err(fault) = rules::check_items(&field.rules, count as u64) {
            self.refuse(fault);
        }
        if field.rules.unique {
            // Closing a packed list has moved its values behind their length.
            let shift = self.out.len().saturating_sub(values_end);
            self.refuse_repetitions(&written, shift);
        }
        Ok(())
    }

    /// Refuses every element equal to an earlier one; equal values have equal bytes.
    fn refuse_repetitions(&mut self, written: &[Written], shift: usize) {
        let bytes = |value: &Written| &self.out[value.start + shift..value.end + shift];
        let mut repeated: Vec<usize> = Vec::new();
        if written.len() <= SMALL_LIST {
            for (at, value) in written.iter().enumerate() {
                if written[..at].iter().any(|before| bytes(before) == bytes(value)) {
                    repeated.push(value.index);
                }
            }
        } else {
            let mut order: Vec<&Written> = written.iter().collect();
            order.sort_by_key(|value| bytes(value));
            let pairs = order.windows(2).filter(|pair| bytes(pair[0]) == bytes(pair[1]));
            repeated.extend(pairs.map(|pair| pair[1].index));
            repeated.sort_unstable();
        }
        for index in repeated {
            self.violations.enter_index(index);
            self.violations.add(Reason::REPEATED, "is repeated");
            self.violations.leave();
        }
    }

    /// Reads an object and writes one entry for each member. Of a merge patch the keys are named, and those of `null` have no entry.
    pub(super) fn map(&mut self, field: &'a FieldPlan, mut mask: Option<&mut Mask>) -> Result<(), JsonError> {
        let Kind::Message(entry) = field.kind else { return self.mismatch("an object") };
        let schema = self.schema;
        let [key, value] = schema.messages[entry].fields.as_slice() else {
            return self.mismatch("an object");
        };
        if self.scan.peek()? != b'{' {
            return self.mismatch("an object");
        }
        self.scan.open()?;
        let mut object = self.scan.members();
        let mut count = 0;
        while let Some(name) = self.scan.member(&mut object)? {
            let text = name.decode();
            self.violations.enter_name(Cow::clone(&text));
            if name.nul {
                self.violations.add(Reason::NUL_CHARACTER, "the key must not contain the character NUL");
            } else if let Err((reason, detail)) = field.rules.keys.check_text(&text) {
                self.violations.add(reason, format!("the key {detail}"));
            }
            if let Some(mask) = mask.as_deref_mut() {
                mask.key(&text);
                if self.scan.peek()? == b'n' {
                    self.scan.word("null")?;
                    self.violations.leave();
                    continue;
                }
            }
            wire::put_tag(self.out, field.number, wire::LEN);
            let start = self.out.len();
            wire::put_field(self.out, key.number, text.as_bytes());
            debug_assert!(!matches!(value.shape, Shape::Repeated | Shape::Map), "a map holds single values");
            wire::put_tag(self.out, value.number, value.kind.wire_type());
            self.value(value.kind, &field.rules.value)?;
            wire::close_len(self.out, start);
            self.violations.leave();
            count += 1;
        }
        if let Err(fault) = rules::check_items(&field.rules, count) {
            self.refuse(fault);
        }
        Ok(())
    }
}
