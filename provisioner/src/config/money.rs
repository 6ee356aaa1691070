//! Dollars as people write them, and what may be spent.

use serde::{Deserialize, Deserializer, Serialize};

use crate::cost::MicroDollars;

/// What may be spent. Absent is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// On one lease.
    pub session: Option<MicroDollars>,
    /// Within any 24 hours.
    pub day: Option<MicroDollars>,
    /// Within any 30 days.
    pub month: Option<MicroDollars>,
}

impl Default for Budget {
    /// A mistake costs a dinner, not a car. Whoever trains for weeks says so.
    fn default() -> Self {
        Self { session: None, day: Some(MicroDollars(20_000_000)), month: Some(MicroDollars(200_000_000)) }
    }
}

/// `$0.34`, `0.34`, `5`; at most six places.
pub fn dollars(text: &str) -> Option<MicroDollars> {
    let text = text.trim();
    let number = text.strip_prefix('$').unwrap_or(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 6 || number.ends_with('.') {
        return None;
    }
    let micro: u64 = format!("{part:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micro).map(MicroDollars)
}

/// As it stands in the file: a sum for a session, or a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Session(String),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    session: Option<String>,
    day: Option<String>,
    month: Option<String>,
}

pub fn budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Budget, D::Error> {
    use serde::de::Error;
    let limit = |text: Option<String>, usual: Option<MicroDollars>| match text.as_deref() {
        None => Ok(usual),
        Some("none") => Ok(None),
        Some(text) => dollars(text).map(Some).ok_or_else(|| {
            D::Error::custom(format!("'{text}' is no sum of money; write \"$0.50\", \"20\" or \"none\""))
        }),
    };
    let usual = Budget::default();
    let written = Written::deserialize(deserializer).map_err(|_| {
        D::Error::custom("a budget is \"$5\", or { session = \"$5\", day = \"$20\", month = \"none\" }")
    })?;
    let table = match written {
        Written::Session(text) => Table { session: Some(text), day: None, month: None },
        Written::Table(table) => table,
    };
    Ok(Budget {
        session: limit(table.session, usual.session)?,
        day: limit(table.day, usual.day)?,
        month: limit(table.month, usual.month)?,
    })
}

pub fn optional_price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MicroDollars>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer)?;
    dollars(&text)
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("'{text}' is no price; write \"$0.50\", for an hour")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly_or_not_at_all() {
        assert_eq!(dollars("$0.34"), Some(MicroDollars(340_000)));
        assert_eq!(dollars("0.000001"), Some(MicroDollars(1)));
        assert_eq!(dollars(" 20 "), Some(MicroDollars(20_000_000)));
        for wrong in ["", "$", ".5", "5.", "-1", "1e3", "0.0000001", "1,5", "99999999999999999999"] {
            assert_eq!(dollars(wrong), None, "{wrong}");
        }
    }
}
