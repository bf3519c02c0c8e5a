//! Blobs as they are compressed on the wire, by zstd. What comes may be a bomb: no more is unpacked than was announced, in bounded memory. Pure.

use std::io::{self, Read};
use zstd::bulk::{Compressor, Decompressor};
use zstd::stream::raw::{Decoder, Encoder, Operation as _};
use zstd::zstd_safe::DParameter;

/// How hard it is tried; more gains little and costs more than the network does.
const LEVEL: i32 = 3;

/// A stream that wants to look back further than this (a power of two) is refused: 8 MiB, which every reader of zstd is asked to have.
const WINDOW: u32 = 23;

/// How much is unpacked at once.
const PIECE: usize = 128 * 1024;

/// The bytes of a small blob packed, if that makes them fewer.
pub(super) fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let packed = Compressor::new(LEVEL).and_then(|mut packer| packer.compress(bytes)).ok()?;
    (packed.len() < bytes.len()).then_some(packed)
}

/// The bytes of a small blob; `None` if there are more than `size`, or they are not of zstd.
pub(super) fn unpack(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut unpacker = Decompressor::new().ok()?;
    unpacker.set_parameter(DParameter::WindowLogMax(WINDOW)).ok()?;
    unpacker.decompress(packed, size).ok()
}

/// Unpacks a stream.
pub(super) struct Unpacker {
    decoder: Decoder<'static>,
    piece: Vec<u8>,
    is_full: bool,
    /// Whether the stream may end here.
    is_whole: bool,
}

impl Unpacker {
    pub(super) fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        Ok(Self { decoder, piece: vec![0; PIECE], is_full: false, is_whole: false })
    }

    /// The next piece of what comes of `packed`, which it is taken off; `None` if all of it is taken.
    pub(super) fn next(&mut self, packed: &mut &[u8]) -> io::Result<Option<&[u8]>> {
        loop {
            // What filled the last piece may have left more inside.
            if packed.is_empty() && !self.is_full {
                return Ok(None);
            }
            let status = self.decoder.run_on_buffers(packed, &mut self.piece)?;
            *packed = packed.get(status.bytes_read..).unwrap_or_default();
            self.is_whole = status.remaining == 0;
            self.is_full = status.bytes_written == self.piece.len();
            if status.bytes_written > 0 {
                return Ok(self.piece.get(..status.bytes_written));
            }
            if status.bytes_read == 0 && !packed.is_empty() {
                return Err(io::Error::other("it does not go on"));
            }
        }
    }

    /// Whether all that came is of whole streams.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// Packs what is read.
pub(super) struct Packer<R> {
    from: R,
    encoder: Option<Encoder<'static>>,
    read: Vec<u8>,
}

impl<R: Read> Packer<R> {
    pub(super) fn new(from: R) -> io::Result<Self> {
        Ok(Self { from, encoder: Some(Encoder::new(LEVEL)?), read: vec![0; PIECE] })
    }

    /// The next piece; an empty one is the end.
    pub(super) fn next(&mut self) -> io::Result<Vec<u8>> {
        let mut packed = Vec::with_capacity(2 * PIECE);
        while packed.len() < PIECE
            && let Some(encoder) = &mut self.encoder
        {
            let count = self.from.read(&mut self.read)?;
            let mut bytes = self.read.get(..count).unwrap_or_default();
            let mut piece = [0; 16 * 1024];
            if count == 0 {
                loop {
                    let mut out = zstd::zstd_safe::OutBuffer::around(&mut piece[..]);
                    let left = encoder.finish(&mut out, true)?;
                    packed.extend_from_slice(out.as_slice());
                    if left == 0 {
                        break;
                    }
                }
                self.encoder = None;
                break;
            }
            while !bytes.is_empty() {
                let status = encoder.run_on_buffers(bytes, &mut piece)?;
                bytes = bytes.get(status.bytes_read..).unwrap_or_default();
                packed.extend_from_slice(piece.get(..status.bytes_written).unwrap_or_default());
            }
        }
        Ok(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = Packer::new(bytes).unwrap();
        let mut all = Vec::new();
        loop {
            match packer.next().unwrap() {
                piece if piece.is_empty() => return all,
                piece => all.extend(piece),
            }
        }
    }

    fn unpacked(packed: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let (mut unpacker, mut all) = (Unpacker::new()?, Vec::new());
        for mut packed in packed.chunks(1000) {
            while let Some(piece) = unpacker.next(&mut packed)? {
                all.extend_from_slice(piece);
                if all.len() > most {
                    return Err(io::Error::other("more"));
                }
            }
        }
        if unpacker.is_whole() { Ok(all) } else { Err(io::Error::other("cut")) }
    }

    fn some(length: u32) -> Vec<u8> {
        (0..length)
            .flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 20).to_le_bytes())
            .collect()
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        for bytes in [some(0), some(3), some(500_000), vec![0; 3_000_000]] {
            let packed = packed(&bytes);
            assert_eq!(unpacked(&packed, bytes.len()).unwrap(), bytes);
            assert!(unpacked(&packed[..packed.len() - 1], bytes.len()).is_err(), "cut");
        }
        let small = b"again and again and again and again".repeat(10);
        assert_eq!(unpack(&pack(&small).unwrap(), small.len()).unwrap(), small);
        assert_eq!(pack(b"x"), None);
    }

    #[test]
    fn streams_that_follow_each_other_are_one() {
        let two = [packed(b"one, "), packed(b"two")].concat();
        assert_eq!(unpacked(&two, 8).unwrap(), b"one, two");
        assert_eq!(unpack(&two, 8).unwrap(), b"one, two");
    }

    #[test]
    fn no_more_is_unpacked_than_was_announced() {
        let bomb = packed(&vec![0; 50_000_000]);
        assert!(bomb.len() < 10_000);
        assert_eq!(unpack(&bomb, 1000), None);
        assert!(unpacked(&bomb, 1000).is_err());
        assert!(unpack(b"no zstd", 1000).is_none() && unpacked(b"no zstd", 1000).is_err());
    }

    #[test]
    fn a_stream_that_wants_much_memory_is_refused() {
        let mut encoder = Encoder::new(1).unwrap();
        encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(27)).unwrap();
        let mut packed = vec![0; 100_000];
        let bytes = some(20_000_000 / 4);
        let status = encoder.run_on_buffers(&bytes, &mut packed).unwrap();
        packed.truncate(status.bytes_written);
        assert!(!packed.is_empty() && unpacked(&packed, bytes.len()).is_err());
    }
}
