//! A JPEG's pixels, and whether its data were enough for all of them. Decoders fill up what is missing and do not say so.

use std::cell::Cell;
use zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZCursor, ZSeekFrom};
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Bytes of a scan's data that the decoder takes at a time, ahead of what it needs.
const WORD: usize = 4;
/// Bytes that are put between the data and the mark of its end: more than is taken ahead.
const STUFFING: usize = 64;

pub(super) struct Pixels {
    /// Interleaved red, green and blue.
    pub(super) rgb: Vec<u8>,
    /// More was asked for than there is: by a word at least, which a whole picture never does.
    pub(super) is_short: bool,
}

/// The file with something behind its data, which end at `end`: a whole picture does not depend on it.
pub(super) fn stuffed(picture: &[u8], end: usize, stuffing: u8) -> Vec<u8> {
    [&picture[..end], &[stuffing; STUFFING], &picture[end..]].concat()
}

/// Decodes a picture whose data end at `end`. None where something is wrong with it, or its colours are of a rare kind:
/// others have the words for that.
pub(super) fn pixels(picture: &[u8], end: usize) -> Option<Pixels> {
    let latest = Cell::new(0);
    // Zeros begin a code in every table, so that a decoder in want of data goes on to take them.
    let stuffed = stuffed(picture, end, 0);
    let file = Watched { file: ZCursor::new(stuffed.as_slice()), latest: &latest };
    let options =
        DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(file, options);
    decoder.decode_headers().ok()?;
    let space = match decoder.input_colorspace()? {
        ColorSpace::Luma => ColorSpace::Luma,
        ColorSpace::RGB | ColorSpace::YCbCr | ColorSpace::CMYK | ColorSpace::YCCK => ColorSpace::RGB,
        _ => return None,
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(space));
    let decoded = decoder.decode().ok()?;
    let rgb = match space {
        ColorSpace::Luma => decoded.into_iter().flat_map(|value| [value; 3]).collect(),
        _ => decoded,
    };
    Some(Pixels { rgb, is_short: latest.get() >= (end + WORD) as u64 })
}

/// A file that remembers where its last word was taken from. The first may lie ahead of what is needed; behind it is a second
/// only where what came before has been used up.
struct Watched<'a> {
    file: ZCursor<&'a [u8]>,
    latest: &'a Cell<u64>,
}

impl ZByteReaderTrait for Watched<'_> {
    #[inline(always)]
    fn read_byte_no_error(&mut self) -> u8 {
        self.file.read_byte_no_error()
    }

    #[inline(always)]
    fn read_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        if buffer.len() == WORD {
            self.latest.set(self.file.z_position()?);
        }
        self.file.read_exact_bytes(buffer)
    }

    #[inline(always)]
    fn read_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.file.read_bytes(buffer)
    }

    fn peek_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.file.peek_bytes(buffer)
    }

    fn peek_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        self.file.peek_exact_bytes(buffer)
    }

    fn z_seek(&mut self, from: ZSeekFrom) -> Result<u64, ZByteIoError> {
        self.file.z_seek(from)
    }

    #[inline(always)]
    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        self.file.is_eof()
    }

    #[inline(always)]
    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        self.file.z_position()
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        self.file.read_remaining(sink)
    }
}
