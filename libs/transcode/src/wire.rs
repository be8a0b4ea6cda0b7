//! The protobuf wire format: reading in place, writing to a buffer.

use bytes::{BufMut, BytesMut};

use crate::response::DecodeError;

/// Wire types by their numbers.
pub(crate) const VARINT: u8 = 0;
pub(crate) const I64: u8 = 1;
pub(crate) const LEN: u8 = 2;
const GROUP: u8 = 3;
const END_GROUP: u8 = 4;
pub(crate) const I32: u8 = 5;

const TRUNCATED: DecodeError = DecodeError::Malformed("the message ends inside a field");

/// A place in a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'w> {
    wire: &'w [u8],
    position: usize,
}

impl<'w> Reader<'w> {
    pub(crate) fn new(wire: &'w [u8]) -> Self {
        Self { wire, position: 0 }
    }

    /// Bytes consumed so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn done(&self) -> bool {
        self.position >= self.wire.len()
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let Some(&first) = self.wire.get(self.position) else { return Err(TRUNCATED) };
        self.position += 1;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.long_varint(first)
    }

    fn long_varint(&mut self, first: u8) -> Result<u64, DecodeError> {
        let mut value = u64::from(first & 0x7f);
        for shift in 1..10_u32 {
            let Some(&byte) = self.wire.get(self.position) else { return Err(TRUNCATED) };
            self.position += 1;
            value |= u64::from(byte & 0x7f) << (shift * 7);
            if byte < 0x80 {
                // The tenth byte has one bit of room.
                if shift == 9 && byte > 1 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed("a number is longer than 64 bits"))
    }

    /// Field number and wire type of the next field.
    #[inline]
    pub(crate) fn tag(&mut self) -> Result<(u32, u8), DecodeError> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 {
            return Err(DecodeError::Malformed("a field number is out of range"));
        }
        Ok((number, (tag & 7) as u8))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'w [u8], DecodeError> {
        let end = self.position.checked_add(length).ok_or(TRUNCATED)?;
        let bytes = self.wire.get(self.position..end).ok_or(TRUNCATED)?;
        self.position = end;
        Ok(bytes)
    }

    pub(crate) fn fixed32(&mut self) -> Result<[u8; 4], DecodeError> {
        self.take(4)?.try_into().map_err(|_| TRUNCATED)
    }

    pub(crate) fn fixed64(&mut self) -> Result<[u8; 8], DecodeError> {
        self.take(8)?.try_into().map_err(|_| TRUNCATED)
    }

    /// The payload of a length-delimited field.
    #[inline]
    pub(crate) fn payload(&mut self) -> Result<&'w [u8], DecodeError> {
        let length = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
        self.take(length)
    }

    /// Steps over a value.
    #[inline]
    pub(crate) fn skip(&mut self, wire_type: u8) -> Result<(), DecodeError> {
        match wire_type {
            VARINT => self.varint().map(drop),
            I64 => self.take(8).map(drop),
            LEN => self.payload().map(drop),
            I32 => self.take(4).map(drop),
            GROUP => self.skip_group(),
            _ => Err(DecodeError::Malformed("a wire type is unknown")),
        }
    }

    /// Groups nest without a length; a counter stands in for recursion.
    fn skip_group(&mut self) -> Result<(), DecodeError> {
        let mut open = 1_usize;
        while open > 0 {
            match self.tag()?.1 {
                GROUP => open += 1,
                END_GROUP => open -= 1,
                other => self.skip(other)?,
            }
        }
        Ok(())
    }
}

pub(crate) fn zigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

pub(crate) fn unzigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value as u8) | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

pub(crate) fn put_tag(out: &mut BytesMut, number: u32, wire_type: u8) {
    put_varint(out, (u64::from(number) << 3) | u64::from(wire_type));
}

pub(crate) fn put_len(out: &mut BytesMut, payload: &[u8]) {
    put_varint(out, payload.len() as u64);
    out.put_slice(payload);
}

/// Writes a `string` or `bytes` field.
pub(crate) fn put_field(out: &mut BytesMut, number: u32, payload: &[u8]) {
    put_tag(out, number, LEN);
    put_len(out, payload);
}

/// Puts the length before what was written since `start`.
pub(crate) fn close_len(out: &mut BytesMut, start: usize) {
    let end = out.len();
    let length = end - start;
    let mut prefix = [0_u8; 10];
    let mut used = 0;
    let mut rest = length as u64;
    while rest >= 0x80 {
        prefix[used] = (rest as u8) | 0x80;
        rest >>= 7;
        used += 1;
    }
    prefix[used] = rest as u8;
    used += 1;
    out.put_slice(&prefix[..used]);
    out.copy_within(start..end, start + used);
    out[start..start + used].copy_from_slice(&prefix[..used]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_written_afterwards_reads_back() {
        for length in [0_usize, 1, 127, 128, 300, 20_000] {
            let mut out = BytesMut::from(&b"ab"[..]);
            out.put_bytes(7, length);
            close_len(&mut out, 2);
            let mut reader = Reader::new(&out[2..]);
            assert_eq!(reader.payload(), Ok(&vec![7_u8; length][..]));
            assert!(reader.done());
        }
    }

    #[test]
    fn zigzag_is_its_own_inverse() {
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(zigzag(unzigzag(value)), value);
        }
    }

    #[test]
    fn varints_end_within_ten_bytes() {
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        let mut out = BytesMut::new();
        put_varint(&mut out, u64::MAX);
        assert_eq!(Reader::new(&out).varint(), Ok(u64::MAX));
        out[9] = 2;
        assert!(Reader::new(&out).varint().is_err());
    }

    #[test]
    fn unknown_groups_are_stepped_over() {
        // field 1: group { field 2: varint 5, field 3: group {} } end
        let bytes = [0x0b, 0x10, 5, 0x1b, 0x1c, 0x0c, 0x20];
        let mut reader = Reader::new(&bytes);
        let (number, wire_type) = reader.tag().unwrap();
        assert_eq!(number, 1);
        reader.skip(wire_type).unwrap();
        assert_eq!(reader.position(), 6);
    }
}
