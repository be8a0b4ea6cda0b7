//! Query parameters -> the fields of the request that neither path nor body binds.

use bytes::{BufMut, BytesMut};
use reasons::Reason;

use super::RequestMeta;
use super::value::{
    enum_number, parse_double, parse_integer, put_double, put_integer, put_timestamp, timestamp_fault,
};
use crate::percent;
use crate::plan::Method;
use crate::rules::{self, Fault, ValueRules};
use crate::schema::{FieldPlan, Kind, Schema, Shape};
use crate::select::FieldSelection;
use crate::timestamp;
use crate::violation::{MAX_VIOLATIONS, Violation};
use crate::wire;

/// Appends the parameters' fields; all that is wrong at once.
pub(super) fn encode(
    schema: &Schema,
    method: &Method,
    query: &str,
    out: &mut BytesMut,
) -> Result<RequestMeta, Vec<Violation>> {
    let plan = &method.request;
    let message = &schema.messages[plan.message];
    let mut violations = Vec::new();
    let mut meta = RequestMeta::default();
    // How often each parameter was sent.
    let mut counts = vec![0_u64; plan.query.len()];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (percent::decode_query(name), percent::decode_query(value)) else {
            let detail = "is not percent-encoded UTF-8".to_owned();
            refuse(&mut violations, name, (Reason::MALFORMED_PARAMETER, detail));
            continue;
        };
        let known = message.by_name(&name).and_then(|at| plan.query.iter().position(|field| *field == at));
        let Some(place) = known else {
            let detail = "is not a parameter of this method".to_owned();
            refuse(&mut violations, &name, (Reason::UNKNOWN_PARAMETER, detail));
            continue;
        };
        let field = &message.fields[plan.query[place]];
        counts[place] += 1;
        if counts[place] == 2 && field.shape != Shape::Repeated {
            let detail = "must be sent once".to_owned();
            refuse(&mut violations, &name, (Reason::REPEATED_PARAMETER, detail));
            continue;
        }
        let written = if counts[place] == 1 || field.shape == Shape::Repeated {
            parameter(schema, field, &value, out)
        } else {
            Ok(())
        };
        match written {
            Err(fault) => refuse(&mut violations, &name, fault),
            Ok(()) if plan.selection == Some(plan.query[place]) => {
                let resource = &schema.messages[method.response.resource()];
                meta.selection = FieldSelection::parse(resource, &value);
            }
            Ok(()) => {}
        }
    }
    for (place, at) in plan.query.iter().enumerate() {
        let field = &message.fields[*at];
        let checked = match (counts[place], field.shape) {
            (0, _) => rules::check_absent(field),
            (count, Shape::Repeated) => rules::check_items(&field.rules, count),
            _ => Ok(()),
        };
        if let Err(fault) = checked {
            refuse(&mut violations, &field.name, fault);
        }
    }
    if violations.is_empty() { Ok(meta) } else { Err(violations) }
}

fn refuse(violations: &mut Vec<Violation>, name: &str, (reason, detail): Fault) {
    if violations.len() < MAX_VIOLATIONS {
        violations.push(Violation { place: name.to_owned(), reason, detail });
    }
}

/// Writes one value of a parameter.
fn parameter(schema: &Schema, field: &FieldPlan, text: &str, out: &mut BytesMut) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err((Reason::NUL_CHARACTER, "must not contain the character NUL".to_owned()));
    }
    let rules = &field.rules.value;
    let mut value = BytesMut::new();
    match field.kind {
        Kind::String => {
            rules.check_text(text)?;
            wire::put_field(out, field.number, text.as_bytes());
            return Ok(());
        }
        Kind::Enum(id) => {
            let number = enum_number(&schema.enums[id], text)?;
            wire::put_varint(&mut value, i64::from(number) as u64);
        }
        Kind::Bool => match text {
            "true" | "false" => value.put_u8(u8::from(text == "true")),
            _ => return Err((Reason::TYPE_MISMATCH, "must be true or false".to_owned())),
        },
        Kind::Timestamp => {
            let (seconds, nanos) = timestamp::parse(text).ok_or_else(timestamp_fault)?;
            put_timestamp(&mut value, seconds, nanos);
        }
        Kind::Double | Kind::Float => put_double(&mut value, number(text, field.kind, rules)?, field.kind),
        kind => put_integer(&mut value, integer(text, kind, rules)?, kind),
    }
    wire::put_tag(out, field.number, field.kind.wire_type());
    out.put_slice(&value);
    Ok(())
}

/// Digits only: a query has no reason to say `1e2`.
fn integer(text: &str, kind: Kind, rules: &ValueRules) -> Result<i64, Fault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err((Reason::TYPE_MISMATCH, "must be an integer".to_owned()));
    }
    parse_integer(text, kind, rules)
}

fn number(text: &str, kind: Kind, rules: &ValueRules) -> Result<f64, Fault> {
    // The parser also knows names such as `inf`.
    let known = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    if !known || text.parse::<f64>().is_err() {
        return Err((Reason::TYPE_MISMATCH, "must be a number".to_owned()));
    }
    parse_double(text, kind, rules)
}
