//! Bytes made small for the way, and large again, by zstd, for every kind of remote. Knows no network.
//!
//! What a stranger has made small is held to the size that was announced: no more is taken of it than bytes of that size can need, the buffers that
//! it may ask for are of [`WINDOW`] at most, and who is given the bytes refuses the first one too many.

use super::wire::Failure;
use granular::digest::CHUNK;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};
use zstd::stream::read::Encoder;

/// What this is called in `Content-Encoding`.
pub(super) const NAME: &str = "zstd";

/// What looks back further is refused, as a power of two: eight megabytes, which every writer is advised to keep to.
const WINDOW: u32 = 23;

/// As much work as pays on a fast network, too.
const LEVEL: i32 = 3;

/// What is smaller and goes alone fits into a packet as it is, in bytes.
pub(super) const LEAST: usize = 1024;

/// Of a large file so much is tried, in bytes.
const SAMPLE: u64 = 1024 * 1024;

/// The bytes made small; `None` where that does not pay.
pub(super) fn squeezed(bytes: &[u8]) -> Option<Vec<u8>> {
    let small = zstd::bulk::compress(bytes, LEVEL).ok()?;
    (small.len() + small.len() / 16 < bytes.len()).then_some(small)
}

/// A file made small as it is read, from where it stands: at its beginning; `None` where that does not pay for a piece of it.
pub(super) fn squeezing(file: &File) -> io::Result<Option<impl Read + use<'_>>> {
    let mut sample = Vec::new();
    file.take(SAMPLE).read_to_end(&mut sample)?;
    let pays = squeezed(&sample).is_some();
    drop(sample);
    let mut file = file;
    file.rewind()?;
    if pays { Encoder::new(file, LEVEL).map(Some) } else { Ok(None) }
}

/// The bytes of what was made small in one piece; `None` if they are more than `size`, or it is not of zstd.
pub(super) fn expanded(small: &[u8], size: usize) -> Option<Vec<u8>> {
    // It looks back in what is there already, so that no window makes it take more.
    zstd::bulk::decompress(small, size).ok()
}

/// As many bytes as the ones made small of so many can have, also by who gives them away in many pieces.
pub(super) fn most(size: u64) -> u64 {
    size.saturating_add(size / 64).saturating_add(64 * 1024)
}

/// Makes bytes large again as they come.
pub(super) struct Expander {
    decoder: Decoder<'static>,
    buffer: Vec<u8>,
    /// How many more may come.
    left: u64,
    is_whole: bool,
}

impl Expander {
    /// For what was of `size` bytes, or less, before it was made small.
    pub(super) fn new(size: u64) -> Result<Self, Failure> {
        let make = || {
            let mut decoder = Decoder::new()?;
            decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
            Ok(decoder)
        };
        let decoder =
            make().map_err(|error: io::Error| Failure::Failed(format!("zstd: {error}")))?;
        Ok(Self { decoder, buffer: vec![0; CHUNK], left: most(size), is_whole: false })
    }

    /// Takes what has come and gives what it stands for to `give`.
    pub(super) fn take(
        &mut self,
        come: &[u8],
        give: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.left = self.left.checked_sub(come.len() as u64).ok_or_else(|| {
            Failure::Damaged("it is larger than what was announced can be".to_owned())
        })?;
        let mut come = InBuffer::around(come);
        loop {
            let mut large = OutBuffer::around(&mut self.buffer[..]);
            let hint = self.decoder.run(&mut come, &mut large).map_err(damaged)?;
            self.is_whole = hint == 0;
            let is_full = large.pos() == large.capacity();
            give(large.as_slice())?;
            if come.pos() == come.src.len() && !is_full {
                return Ok(());
            }
        }
    }

    /// At the end of what came.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.is_whole {
            true => Ok(()),
            false => Err(Failure::Damaged("it ends too early".to_owned())),
        }
    }
}

fn damaged(error: io::Error) -> Failure {
    Failure::Damaged(format!("it is not what zstd makes: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pieces(small: &[u8], size: u64, piece: usize) -> Result<Vec<u8>, Failure> {
        let mut expander = Expander::new(size)?;
        let mut all = Vec::new();
        for piece in small.chunks(piece) {
            expander.take(piece, &mut |bytes| {
                all.extend_from_slice(bytes);
                match all.len() as u64 > size {
                    true => Err(Failure::Damaged("too many".to_owned())),
                    false => Ok(()),
                }
            })?;
        }
        expander.finish().map(|()| all)
    }

    #[test]
    fn what_is_made_small_comes_back_however_it_is_parted() {
        let bytes: Vec<u8> = (0..400_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let small = squeezed(&bytes).unwrap();
        assert!(small.len() < bytes.len() / 2);
        for piece in [1, 7, 1000, small.len()] {
            assert!(in_pieces(&small, bytes.len() as u64, piece).unwrap() == bytes);
        }
        for cut in [0, 1, small.len() / 2, small.len() - 1] {
            assert!(in_pieces(&small[..cut], bytes.len() as u64, 1000).is_err());
        }
        let two = [&small[..], &small].concat();
        assert!(in_pieces(&two, 2 * bytes.len() as u64, 1000).unwrap() == bytes.repeat(2));
        assert!(expanded(&small, bytes.len()).unwrap() == bytes);
        assert!(expanded(&two, 2 * bytes.len()).unwrap() == bytes.repeat(2));
    }

    #[test]
    fn what_does_not_pay_stays_as_it_is() {
        let noise: Vec<u8> = (0..2000_u32)
            .flat_map(|n| *granular::digest::Hash::of(&n.to_le_bytes()).as_bytes())
            .collect();
        assert!(squeezed(&noise).is_none() && squeezed(b"x").is_none());
    }

    #[test]
    fn a_bomb_is_refused_at_the_first_byte_too_many() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
        let given = std::cell::Cell::new(0);
        let mut expander = Expander::new(1 << 20).unwrap();
        let refused = expander.take(&bomb, &mut |bytes| {
            given.set(given.get() + bytes.len());
            match given.get() > 1 << 20 {
                true => Err(Failure::Damaged(String::new())),
                false => Ok(()),
            }
        });
        assert!(expanded(&bomb, 1 << 20).is_none() && expanded(b"no zstd", 1 << 20).is_none());
        assert!(refused.is_err() && given.get() <= (1 << 20) + CHUNK);
        // One that never ends in what it stands for, but in what has to be read of it: empty frames.
        let empty = zstd::bulk::compress(&[], 1).unwrap();
        assert!(in_pieces(&empty.repeat(10_000), 1000, 4096).is_err());
    }

    #[test]
    fn a_window_that_is_too_large_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        std::io::Write::write_all(&mut encoder, &vec![1; 1 << 20]).unwrap();
        let wide = encoder.finish().unwrap();
        assert!(in_pieces(&wide, 1 << 20, 4096).is_err());
    }
}
