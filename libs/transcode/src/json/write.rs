//! Writing JSON values to a byte buffer.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Whether one of eight bytes is below 0x20, a quote or a backslash.
fn needs_escape(word: u64) -> bool {
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c))) & HIGHS != 0
}

/// Length of the leading part that can be copied as it stands.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        if needs_escape(u64::from_le_bytes(*word)) {
            break;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|b| **b >= 0x20 && **b != b'"' && **b != b'\\').count()
}

/// Writes a string with its quotes.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        let length = plain(rest);
        out.extend_from_slice(&rest[..length]);
        let Some(&byte) = rest.get(length) else { break };
        escape(out, byte);
        rest = &rest[length + 1..];
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[inline]
pub(crate) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// JSON has no word for what is not finite.
pub(crate) fn float(out: &mut Vec<u8>, value: impl ryu::Float, finite: bool) {
    if finite {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_escaped_at_every_place() {
        for code in 0..0x250_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            for before in 0..10 {
                let text = format!("{}{character}tail", "é".repeat(before / 2) + &"x".repeat(before % 2));
                let mut out = Vec::new();
                string(&mut out, &text);
                let back: String = serde_json::from_slice(&out).unwrap();
                assert_eq!(back, text);
            }
        }
    }
}
