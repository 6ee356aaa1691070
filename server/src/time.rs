//! Times as people write them on a command line.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no time: write 500ms, 30s, 15m or 2h")]
pub struct TimeError(String);

/// `500ms`, `30s`, `15m`, `2h`; a bare number would leave the unit to be guessed.
pub fn parse(text: &str) -> Result<Duration, TimeError> {
    let refused = || TimeError(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: u64 = text[..digits].parse().map_err(|_| refused())?;
    let unit_ms = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ => return Err(refused()),
    };
    count.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "5", "s", "-1s", "1.5s", "99999999999999999999s", "9999999999999999999h", "1d"] {
            assert_eq!(parse(wrong), Err(TimeError(wrong.into())));
        }
    }
}
