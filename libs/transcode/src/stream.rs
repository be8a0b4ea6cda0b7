//! Streams of raw bytes: every message is `{string content_type = 1; bytes data = 2;}`, only the first one names a type. That of an answer
//! may have an entity tag, too: `string etag = 3`.

use bytes::{Bytes, BytesMut};

use crate::response::DecodeError;
use crate::wire::{self, Reader};

const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;
const ETAG: u32 = 3;

/// One message of a byte stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Set in the first message.
    pub content_type: Option<String>,
    /// What the first message may have.
    pub etag: Option<String>,
    /// The next bytes of the body.
    pub data: Bytes,
}

/// Appends one message; `content_type` belongs to the first.
pub fn encode_chunk(content_type: Option<&str>, data: &[u8], out: &mut BytesMut) {
    if let Some(content_type) = content_type {
        wire::put_field(out, CONTENT_TYPE, content_type.as_bytes());
    }
    if !data.is_empty() {
        wire::put_field(out, DATA, data);
    }
}

/// Reads one message; the data is a view of `message`.
pub fn decode_chunk(message: &Bytes) -> Result<Chunk, DecodeError> {
    let mut chunk = Chunk::default();
    let mut reader = Reader::new(message);
    while !reader.done() {
        match reader.tag()? {
            (CONTENT_TYPE, wire::LEN) => chunk.content_type = text(reader.payload()?)?,
            (ETAG, wire::LEN) => chunk.etag = text(reader.payload()?)?,
            (DATA, wire::LEN) => chunk.data = message.slice_ref(reader.payload()?),
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(chunk)
}

fn text(bytes: &[u8]) -> Result<Option<String>, DecodeError> {
    let text =
        str::from_utf8(bytes).map_err(|_| DecodeError::Malformed("what the bytes are is not UTF-8"))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_read_back_without_a_copy() {
        let mut out = BytesMut::new();
        encode_chunk(Some("text/csv"), b"a,b\n", &mut out);
        let message = out.freeze();
        let chunk = decode_chunk(&message).unwrap();
        assert_eq!(chunk.content_type.as_deref(), Some("text/csv"));
        assert_eq!(&chunk.data[..], b"a,b\n");
        assert_eq!(chunk.data.as_ptr(), message[message.len() - 4..].as_ptr());
        let tagged = decode_chunk(&Bytes::from_static(b"\x1a\x01x")).unwrap();
        assert_eq!(tagged, Chunk { etag: Some("x".to_owned()), ..Chunk::default() });
        assert_eq!(decode_chunk(&Bytes::new()).unwrap(), Chunk::default());
        assert!(decode_chunk(&Bytes::from_static(&[0x12, 9])).is_err());
    }
}
