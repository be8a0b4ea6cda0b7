//! The text of a file as UTF-8, piece by piece, with the places whose bytes are not of its encoding.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

const CHUNK: usize = 64 << 10;

/// What comes next.
pub(super) enum Piece<'t> {
    /// Whole characters.
    Text(&'t [u8]),
    /// Bytes that are no character of the encoding.
    Malformed,
    /// The file has ended.
    End,
}

/// The text of a file.
pub(super) struct Text<R> {
    source: BufReader<R>,
    decoder: Decoder,
    /// Bytes that an encoding of one byte does not define are decoded as C1 controls, which no text has.
    refuses_controls: bool,
    decoded: Vec<u8>,
    /// What is not yet taken, up to the next control.
    from: usize,
    clean: usize,
    to: usize,
    /// Malformed bytes follow what was decoded.
    is_broken: bool,
    ended: bool,
}

impl<R: Read> Text<R> {
    /// The text of bytes behind their byte order mark.
    pub(super) fn new(source: R, encoding: &'static Encoding) -> Self {
        Self {
            source: BufReader::with_capacity(CHUNK, source),
            decoder: encoding.new_decoder_without_bom_handling(),
            refuses_controls: ![UTF_8, UTF_16LE, UTF_16BE].contains(&encoding),
            decoded: vec![0; CHUNK * 4],
            from: 0,
            clean: 0,
            to: 0,
            is_broken: false,
            ended: false,
        }
    }

    /// What comes next; it comes again until it is passed.
    pub(super) fn piece(&mut self) -> io::Result<Piece<'_>> {
        while self.from == self.to && !self.is_broken && !self.ended {
            let bytes = self.source.fill_buf()?;
            let last = bytes.is_empty();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.decoded, last);
            self.source.consume(read);
            (self.from, self.to) = (0, written);
            self.find_control();
            match result {
                DecoderResult::Malformed(..) => self.is_broken = true,
                DecoderResult::InputEmpty => self.ended = last,
                DecoderResult::OutputFull => {}
            }
        }
        Ok(if self.from < self.clean {
            Piece::Text(&self.decoded[self.from..self.clean])
        } else if self.from < self.to || self.is_broken {
            Piece::Malformed
        } else {
            Piece::End
        })
    }

    /// Passes bytes of a piece of text.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.from += bytes;
    }

    /// Passes malformed bytes.
    pub(super) fn pass_malformed(&mut self) {
        if self.from < self.to {
            // A C1 control has two bytes.
            self.from += 2;
            self.find_control();
        } else {
            self.is_broken = false;
        }
    }

    fn find_control(&mut self) {
        self.clean = self.to;
        if self.refuses_controls {
            let is_control = |pair: &[u8]| pair[0] == 0xc2 && pair[1] < 0xa0;
            let found = self.decoded[self.from..self.to].windows(2).position(is_control);
            self.clean = found.map_or(self.to, |at| self.from + at);
        }
    }
}
