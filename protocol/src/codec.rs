//! How a value becomes bytes. The only file that names bincode.
//!
//! Fixed-size little-endian integers, so that encoding costs nanoseconds and a length can be read at a known place.
//! Decoding never allocates more than the bytes that it was given could hold, and trailing bytes are a refusal.

pub use bincode::{BorrowDecode, Decode, Encode};

/// No value that crosses the wire, bulk bytes aside, is larger.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// What most values take: room to write one without growing.
const USUAL_BYTES: usize = 128;

const fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<VALUE_BYTES_MAX>()
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("cannot decode: {0}")]
    Malformed(String),
    #[error("{left} bytes follow a value that should have ended")]
    Trailing { left: usize },
}

/// The bytes of a value of ours; values built here always encode.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    encode_onto(value, &mut bytes);
    bytes
}

/// Appends the bytes of a value to what is there already.
pub fn encode_onto<T: Encode>(value: &T, bytes: &mut Vec<u8>) {
    struct Onto<'a>(&'a mut Vec<u8>);
    impl bincode::enc::write::Writer for Onto<'_> {
        fn write(&mut self, more: &[u8]) -> Result<(), bincode::error::EncodeError> {
            self.0.extend_from_slice(more);
            Ok(())
        }
    }
    // Writing to memory cannot fail, and the types that cross the wire hold nothing that refuses to encode.
    bincode::encode_into_writer(value, Onto(bytes), config()).expect("a value of the protocol encodes");
}

/// The value that these bytes are, all of them.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    match decode_prefix(bytes)? {
        (value, used) if used == bytes.len() => Ok(value),
        (_, used) => Err(CodecError::Trailing { left: bytes.len() - used }),
    }
}

/// The value that these bytes begin with, and how many of them it took.
pub fn decode_prefix<T: Decode<()>>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    bincode::decode_from_slice(bytes, config()).map_err(|error| CodecError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_fixed_size_little_endian() {
        assert_eq!(encode(&(1u32, 2u64)), [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert_eq!(decode::<u32>(&[1, 0, 0, 0, 9]), Err(CodecError::Trailing { left: 1 }));
    }

    #[test]
    fn a_claimed_length_beyond_the_bytes_is_refused_without_allocating() {
        let mut bytes = encode(&u64::MAX);
        bytes.extend([0; 8]);
        assert!(decode::<Vec<u8>>(&bytes).is_err());
        assert!(decode::<Vec<u64>>(&encode(&(1u64 << 20))).is_err());
    }
}
