//! Copies a checked JSON value without its white space, and says what a database could not keep.

use bytes::{BufMut, BytesMut};
use reasons::Reason;

use crate::json::scan::{JsonError, Scanner};
use crate::violation::Violations;

/// Copies the value at hand to `out`; violations name their place below the current one.
pub(crate) fn value<'a>(
    scan: &mut Scanner<'a>,
    violations: &mut Violations<'a>,
    out: &mut BytesMut,
) -> Result<(), JsonError> {
    match scan.peek()? {
        b'{' => object(scan, violations, out),
        b'[' => array(scan, violations, out),
        b'"' => {
            let text = scan.string("a string")?;
            if text.nul {
                violations.add(Reason::NUL_CHARACTER, "must not contain the character NUL");
            }
            quoted(out, text.raw);
            Ok(())
        }
        b'-' | b'0'..=b'9' => {
            let number = scan.number()?;
            if !number.parse::<f64>().is_ok_and(f64::is_finite) {
                violations.add(Reason::OUT_OF_RANGE, "the number is too large");
            }
            out.put_slice(number.as_bytes());
            Ok(())
        }
        _ => {
            let start = scan.position();
            scan.skip_value()?;
            out.put_slice(scan.since(start).as_bytes());
            Ok(())
        }
    }
}

fn quoted(out: &mut BytesMut, raw: &str) {
    out.put_u8(b'"');
    out.put_slice(raw.as_bytes());
    out.put_u8(b'"');
}

fn object<'a>(
    scan: &mut Scanner<'a>,
    violations: &mut Violations<'a>,
    out: &mut BytesMut,
) -> Result<(), JsonError> {
    scan.open()?;
    out.put_u8(b'{');
    let mut object = scan.members();
    let mut first = true;
    while let Some(name) = scan.member(&mut object)? {
        if !std::mem::take(&mut first) {
            out.put_u8(b',');
        }
        quoted(out, name.raw);
        out.put_u8(b':');
        violations.enter_name(name.decode());
        if name.nul {
            violations.add(Reason::NUL_CHARACTER, "the name must not contain the character NUL");
        }
        value(scan, violations, out)?;
        violations.leave();
    }
    out.put_u8(b'}');
    Ok(())
}

fn array<'a>(
    scan: &mut Scanner<'a>,
    violations: &mut Violations<'a>,
    out: &mut BytesMut,
) -> Result<(), JsonError> {
    scan.open()?;
    out.put_u8(b'[');
    let mut index = 0;
    while scan.element(index == 0)? {
        if index > 0 {
            out.put_u8(b',');
        }
        violations.enter_index(index);
        value(scan, violations, out)?;
        violations.leave();
        index += 1;
    }
    out.put_u8(b']');
    Ok(())
}
