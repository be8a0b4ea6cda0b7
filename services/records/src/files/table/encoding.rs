//! Which encoding a file has: by its byte order mark, by what its sender says, else by its bytes; never by one of them.

use std::io::{self, BufRead, BufReader, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, X_USER_DEFINED};

use super::TableError;

const CHUNK: usize = 64 << 10;
/// Bytes from the first that is not ASCII on, or letters of UTF-8, by which an encoding is recognised.
const EVIDENCE: usize = 1 << 20;
/// The labels of ASCII, which the WHATWG takes for windows-1252. What is ASCII is UTF-8, and what is not is neither.
const ASCII: [&str; 5] = ["ascii", "us-ascii", "ansi_x3.4-1968", "iso-ir-6", "iso646-us"];
/// The marks of UTF-32, which begin like one of UTF-16 or with zeros.
const UTF_32: [&[u8]; 2] = [b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"];

/// The encoding with this label, by the list of the WHATWG (encoding.spec.whatwg.org).
pub(crate) fn by_label(label: &str) -> Option<&'static Encoding> {
    let label = label.trim().to_ascii_lowercase();
    if ASCII.contains(&label.as_str()) {
        return Some(UTF_8);
    }
    // That one is of XMLHttpRequest, and no text is written in it.
    Encoding::for_label_no_replacement(label.as_bytes()).filter(|encoding| *encoding != X_USER_DEFINED)
}

/// The encoding that a `Content-Type` names, if it names one.
pub(crate) fn of_content_type(content_type: &str) -> Result<Option<&'static Encoding>, TableError> {
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']).trim())
    });
    let Some(label) = charset.filter(|label| !label.is_empty()) else { return Ok(None) };
    by_label(label).map(Some).ok_or_else(|| TableError::CharsetUnknown(label.chars().take(40).collect()))
}

/// The encoding of a file, and the bytes of its mark. A mark says more than who declares.
pub(super) fn detect(
    open: &impl Fn() -> io::Result<Box<dyn Read>>,
    declared: Option<&'static Encoding>,
) -> Result<(&'static Encoding, usize), TableError> {
    let mut source = BufReader::with_capacity(CHUNK, open()?);
    let head = filled(&mut source)?;
    if head.is_empty() {
        return Err(TableError::Empty);
    }
    if UTF_32.iter().any(|mark| head.starts_with(mark)) {
        return Err(TableError::NotText);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(head) {
        return Ok((encoding, mark));
    }
    match declared {
        // `utf-16` without an order and without a mark: the zero bytes know better.
        Some(declared) if declared == UTF_16LE => return Ok((wide(head).unwrap_or(declared), 0)),
        Some(declared) => return Ok((declared, 0)),
        None => {}
    }
    if head.contains(&0) {
        return wide(head).map(|encoding| (encoding, 0)).ok_or(TableError::NotText);
    }
    let seen = unicode(source)?;
    if seen.malformed <= seen.letters {
        return Ok((UTF_8, 0));
    }
    Err(TableError::EncodingUnknown(single_byte(open()?)?.name()))
}

/// The first bytes, as many as there are up to the buffer's room: a short first read says nothing.
fn filled(source: &mut BufReader<Box<dyn Read>>) -> io::Result<&[u8]> {
    let mut head = Vec::with_capacity(CHUNK);
    source.by_ref().take(CHUNK as u64).read_to_end(&mut head)?;
    // Read again from the beginning.
    let rest = std::mem::replace(source, BufReader::new(Box::new(io::empty())));
    *source = BufReader::with_capacity(CHUNK, Box::new(io::Cursor::new(head).chain(rest)));
    source.fill_buf()
}

/// UTF-16 without its mark: the zero bytes of Latin letters tell the order.
fn wide(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |skip: usize| head.iter().skip(skip).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match even.cmp(&odd) {
        std::cmp::Ordering::Less if odd * 4 > head.len() => Some(UTF_16LE),
        std::cmp::Ordering::Greater if even * 4 > head.len() => Some(UTF_16BE),
        _ => None,
    }
}

/// What bytes are as UTF-8.
#[derive(Default)]
struct Unicode {
    /// Characters beyond ASCII.
    letters: usize,
    /// Places that are none.
    malformed: usize,
}

/// How much of a file is UTF-8. Two bytes of another encoding are a character of it now and then, but more of them are not; so that a
/// file of which most is UTF-8 is it, and what is malformed there is a fault of its row.
fn unicode(mut source: impl BufRead) -> io::Result<Unicode> {
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let mut text = vec![0; CHUNK * 3];
    let mut seen = Unicode::default();
    loop {
        let bytes = source.fill_buf()?;
        let last = bytes.is_empty();
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut text, last);
        source.consume(read);
        seen.letters += text[..written].iter().filter(|byte| **byte >= 0xc0).count();
        match result {
            DecoderResult::Malformed(..) => seen.malformed += 1,
            DecoderResult::InputEmpty if last => return Ok(seen),
            _ => {}
        }
        if seen.letters > EVIDENCE {
            return Ok(seen);
        }
    }
}

/// The encoding without Unicode that bytes look like, for a person who can tell. No file is read by it: in an encoding of one byte every byte
/// is a character, so a short file looks like many of them, and a wrong guess would store wrong names.
fn single_byte(source: impl Read) -> Result<&'static Encoding, TableError> {
    let mut source = BufReader::with_capacity(CHUNK, source);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut seen = 0;
    loop {
        let bytes = source.fill_buf()?;
        let length = bytes.len();
        if length == 0 || seen > EVIDENCE {
            break;
        }
        if seen > 0 || !bytes.is_ascii() {
            detector.feed(bytes, false);
            seen += length;
        }
        source.consume(length);
    }
    detector.feed(b"", true);
    Ok(detector.guess(None, Utf8Detection::Deny))
}
