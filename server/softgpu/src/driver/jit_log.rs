//! Where a program wants to read what a compiler has to say: two of the options with which code is loaded, and their sizes.

use std::ffi::c_char;

use crate::driver::edge::{In, Out, Result};
use crate::driver::image;

/// `CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES`, `CU_JIT_ERROR_LOG_BUFFER` and `_SIZE_BYTES`.
const INFO_BYTES: u32 = 4;
const ERROR: u32 = 5;
const ERROR_BYTES: u32 = 6;
/// CUDA has some forty; a longer list is garbage.
const OPTIONS_MAX: u32 = 256;

/// The options' values, which are numbers or addresses; of the sizes the answer takes the place of the question.
pub struct JitLog {
    error: Option<Out<c_char>>,
    error_bytes: Option<(Out<u64>, u32)>,
    info_bytes: Option<Out<u64>>,
}

impl JitLog {
    pub fn of(count: u32, options: u64, values: u64) -> Result<JitLog> {
        let mut log = JitLog { error: None, error_bytes: None, info_bytes: None };
        if count > OPTIONS_MAX || options == 0 || values == 0 {
            return Ok(log);
        }
        let values_at = |index: usize| values + 8 * index as u64;
        let options = In::<u32>::at(options).list(count as usize)?;
        for (index, option) in options.into_iter().enumerate() {
            let value = In::<u64>::at(values_at(index)).get()?;
            match option {
                ERROR if value != 0 => log.error = Some(Out::at(value)),
                ERROR_BYTES => log.error_bytes = Some((Out::at(values_at(index)), value as u32)),
                INFO_BYTES => log.info_bytes = Some(Out::at(values_at(index))),
                _ => {}
            }
        }
        Ok(log)
    }

    /// What a load came to, with the reason in the log if it failed.
    pub fn told<T>(&self, outcome: Result<T>) -> Result<T> {
        let words = if outcome.is_err() { image::last_words() } else { String::new() };
        if let (Some(error), Some((_, room))) = (self.error, self.error_bytes)
            && room > 0
        {
            error.put_text(&words, room.min(i32::MAX as u32) as i32)?;
        }
        if let Some((bytes, room)) = self.error_bytes {
            bytes.put((words.len() as u64).min(u64::from(room)))?;
        }
        if let Some(bytes) = self.info_bytes {
            bytes.put(0)?;
        }
        outcome
    }
}
