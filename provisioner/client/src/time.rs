//! A length of time as people write it.

/// `500ms`, `30s`, `15m`, `2h`, `1d`; a number without a unit means nothing to anybody and is refused.
pub fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units_only() {
        assert_eq!(milliseconds("500ms"), Some(500));
        assert_eq!(milliseconds(" 30s "), Some(30_000));
        assert_eq!(milliseconds("15m"), Some(900_000));
        assert_eq!(milliseconds("2h"), Some(7_200_000));
        assert_eq!(milliseconds("1d"), Some(86_400_000));
        for text in ["", "5", "s", "-5s", "1.5s", "5 s", "5S", "99999999999999999d"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
