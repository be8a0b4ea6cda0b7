//! Finds `buf.validate` rules that the typed descriptors have no place for and would drop in silence.

use crate::plan::CompileError;
use crate::rules;
use crate::wire::{self, Reader};

/// Numbers of `google.protobuf.descriptor`: set.file, file.message_type, file.package, message.name, message.field,
/// message.nested_type, field.name, field.options; and of `buf.validate.field`.
const FILE: u32 = 1;
const MESSAGE_TYPE: u32 = 4;
const PACKAGE: u32 = 2;
const NAME: u32 = 1;
const FIELD: u32 = 2;
const NESTED_TYPE: u32 = 3;
const OPTIONS: u32 = 8;
const RULES: u32 = 1159;

/// Refuses a set in which a field has a rule outside the part of `buf.validate` that is enforced.
pub(crate) fn check(set: &[u8]) -> Result<(), CompileError> {
    for file in payloads(set, FILE) {
        let package = text(file, PACKAGE);
        for message in payloads(file, MESSAGE_TYPE) {
            check_message(message, &package)?;
        }
    }
    Ok(())
}

fn check_message(message: &[u8], scope: &str) -> Result<(), CompileError> {
    let name = format!("{scope}.{}", text(message, NAME));
    for field in payloads(message, FIELD) {
        let rules = payloads(field, OPTIONS).flat_map(|options| payloads(options, RULES));
        if rules.into_iter().any(rules::drops_a_rule) {
            let what = "a rule of buf.validate is not one of those enforced".to_owned();
            return Err(CompileError::Field { message: name, field: text(field, NAME), what });
        }
    }
    payloads(message, NESTED_TYPE).try_for_each(|nested| check_message(nested, &name))
}

/// The payloads of a length-delimited field. The set has been decoded before, so the bytes are well-formed.
fn payloads(message: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader::new(message);
    std::iter::from_fn(move || {
        while !reader.done() {
            let (number, wire_type) = reader.tag().ok()?;
            if number == wanted && wire_type == wire::LEN {
                return reader.payload().ok();
            }
            reader.skip(wire_type).ok()?;
        }
        None
    })
}

fn text(message: &[u8], field: u32) -> String {
    payloads(message, field)
        .last()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}
