//! Images come up in pieces, before the load that names them.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::ImagePiece;
use farwarp_protocol::codec::decode_prefix;
use farwarp_protocol::image;
use farwarp_protocol::limits::{IMAGE_BYTES_MAX, UPLOAD_BYTES_MAX};

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
    let arrived: usize = executor.uploads.values().map(|upload| upload.arrived).sum();
    let got = (arrived + piece.len()) as u64;
    if got > UPLOAD_BYTES_MAX as u64 {
        return Err(Refusal::TooMuch {
            what: "bytes of images under way",
            got,
            max: UPLOAD_BYTES_MAX as u64,
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
    let is_last = image.arrived + piece.len() == image_bytes as usize;
    if !is_last && (piece.is_empty() || !piece.len().is_multiple_of(size_of::<u64>())) {
        return Err(Refusal::Upload {
            upload,
            why: "a piece that is not the last is no whole number of words",
        });
    }
    image.append(piece);
    Ok(Reply::DONE)
}

impl Upload {
    fn append(&mut self, piece: &[u8]) {
        for byte in piece.chunks(size_of::<u64>()) {
            // Only the last piece may end inside a word, so none begins inside one.
            let mut word = [0; size_of::<u64>()];
            word[..byte.len()].copy_from_slice(byte);
            self.words.push(u64::from_ne_bytes(word));
        }
        self.arrived += piece.len();
    }

    /// The bytes and how many they are, with a NUL behind them: PTX that came without one must not be read past its end.
    pub fn finish(mut self, upload: u64) -> Result<(Vec<u64>, usize), Refusal> {
        if self.arrived != self.image_bytes as usize {
            return Err(Refusal::Upload { upload, why: "it was loaded before all of it was there" });
        }
        self.words.push(0);
        Ok((self.words, self.arrived))
    }
}

/// What was sent up under this number, which is used up with it.
pub fn take_upload(executor: &mut Executor, upload: u64) -> Result<(Vec<u64>, usize), Refusal> {
    executor.uploads.remove(&upload).ok_or(Refusal::Upload { upload, why: "there is none" })?.finish(upload)
}

/// An image for the driver, which gets no length: so what the image says of its own is compared with what came.
pub fn take_image(executor: &mut Executor, upload: u64) -> Result<(Vec<u64>, usize), Refusal> {
    let (words, length) = take_upload(executor, upload)?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take(length).collect();
    image::check_whole(&bytes)?;
    Ok((words, length))
}
