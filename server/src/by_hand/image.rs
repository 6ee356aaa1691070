//! Images come up in pieces, before the load that names them.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::ImagePiece;
use farwarp_protocol::codec::decode_prefix;
use farwarp_protocol::limits::IMAGE_BYTES_MAX;

/// Images of one session that are on their way or not loaded yet: a thread of the client has at most one.
const UPLOADS_MAX: u64 = 64;

/// An image as far as it has come.
pub struct Upload {
    pub image_bytes: u64,
    /// In words, because the driver reads headers of eight-byte alignment out of it.
    words: Vec<u64>,
    arrived: usize,
}

pub fn image_piece(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (ImagePiece { upload, image_bytes }, header) = decode_prefix(call.body)?;
    let piece = &call.body[header..];
    if image_bytes > IMAGE_BYTES_MAX as u64 {
        return Err(Refusal::TooMuch {
            what: "bytes of an image",
            got: image_bytes,
            max: IMAGE_BYTES_MAX as u64,
        });
    }
    let under_way = executor.uploads.len() as u64;
    if under_way >= UPLOADS_MAX && !executor.uploads.contains_key(&upload) {
        return Err(Refusal::TooMuch { what: "images under way", got: under_way + 1, max: UPLOADS_MAX });
    }
    let image =
        executor.uploads.entry(upload).or_insert(Upload { image_bytes, words: Vec::new(), arrived: 0 });
    if image.image_bytes != image_bytes || image.arrived + piece.len() > image_bytes as usize {
        return Err(Refusal::Upload { upload, why: "its pieces do not add up to one image" });
    }
    image.append(piece);
    Ok(Reply::DONE)
}

impl Upload {
    fn append(&mut self, piece: &[u8]) {
        for byte in piece.chunks(size_of::<u64>()) {
            // Pieces but the last are whole words, so a piece never begins inside one.
            let mut word = [0; size_of::<u64>()];
            word[..byte.len()].copy_from_slice(byte);
            self.words.push(u64::from_ne_bytes(word));
        }
        self.arrived += piece.len();
    }

    /// The image and its length, with a NUL behind it: PTX that came without one must not be read past its end.
    pub fn finish(mut self, upload: u64) -> Result<(Vec<u64>, usize), Refusal> {
        if self.arrived != self.image_bytes as usize {
            return Err(Refusal::Upload { upload, why: "it was loaded before all of it was there" });
        }
        self.words.push(0);
        Ok((self.words, self.arrived))
    }
}

/// The image that a load names, which is used up with it.
pub fn take_image(executor: &mut Executor, upload: u64) -> Result<(Vec<u64>, usize), Refusal> {
    executor.uploads.remove(&upload).ok_or(Refusal::Upload { upload, why: "there is none" })?.finish(upload)
}
