//! What was measured, as a table of ratios: for people, for a page in docs/benchmarks/, and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::median;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The machine, with nothing of ours.
    Limit,
    /// The stand-in driver in the program's own process.
    Direct,
    /// Through farwarp to the stand-in driver, as a program meets it: both ends spin a little before they sleep.
    StandIn,
    /// The same with each end on one core, so that nobody spins.
    Asleep,
    /// Through farwarp to the software GPU.
    Software,
    /// The software GPU in the program's own process, on one core.
    SoftwareDirect,
}

/// A figure to reach (design: "Figures to reach"), of the ratio or, where there is no limit to compare with, of the number itself.
#[derive(Debug, Clone, Copy)]
pub enum Reach {
    AtMost(f64),
    AtLeast(f64),
    /// Shown for comparison only.
    None,
}

pub struct Row {
    pub what: &'static str,
    pub unit: &'static str,
    /// The figure that the row is about.
    pub of: (Side, &'static str),
    /// What it is divided by.
    pub against: Option<(Side, &'static str)>,
    pub reach: Reach,
}

/// Every round's values of every figure.
#[derive(Default)]
pub struct Figures {
    values: BTreeMap<(Side, &'static str), Vec<f64>>,
    /// What could not be measured, and why; each once.
    missing: BTreeMap<String, String>,
}

impl Figures {
    pub fn add(&mut self, side: Side, name: &'static str, value: f64) {
        self.values.entry((side, name)).or_default().push(value);
    }

    pub fn miss(&mut self, what: String, why: String) {
        self.missing.entry(what).or_insert(why);
    }

    fn median(&self, of: (Side, &'static str)) -> Option<f64> {
        self.values.get(&of).map(|values| median(values.clone()))
    }

    /// The median of the rounds' ratios: what disturbs a round disturbs both of its sides.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let (of, against) = (self.values.get(&row.of)?, self.values.get(&row.against?)?);
        Some(median(of.iter().zip(against).map(|(of, against)| of / against).collect()))
    }
}

impl Row {
    /// Whether the figure is reached; `None` where there is none, or nothing was measured.
    fn reached(&self, figures: &Figures) -> Option<bool> {
        let value = if self.against.is_some() { figures.ratio(self)? } else { figures.median(self.of)? };
        match self.reach {
            Reach::AtMost(most) => Some(value <= most),
            Reach::AtLeast(least) => Some(value >= least),
            Reach::None => None,
        }
    }

    fn cells(&self, figures: &Figures) -> [String; 8] {
        let number = |value: Option<f64>| value.map_or("–".into(), short);
        let limit =
            self.against.map(|against| format!("{} ({})", number(figures.median(against)), against.1));
        let reach = match self.reach {
            Reach::AtMost(most) => format!("≤ {}", short(most)),
            Reach::AtLeast(least) => format!("≥ {}", short(least)),
            Reach::None => "–".into(),
        };
        let verdict = match self.reached(figures) {
            Some(true) => "reached",
            Some(false) => "not yet",
            None => "–",
        };
        let beside = |side: Side| {
            let shown = self.of.0 == Side::StandIn;
            number(shown.then(|| figures.median((side, self.of.1))).flatten())
        };
        [
            if self.unit.is_empty() { self.what.into() } else { format!("{}, {}", self.what, self.unit) },
            number(figures.median(self.of)),
            limit.unwrap_or("–".into()),
            number(figures.ratio(self)),
            reach,
            verdict.into(),
            beside(Side::Software),
            beside(Side::Direct),
        ]
    }
}

const HEAD: [&str; 8] = [
    "what",
    "measured",
    "limit, same rounds",
    "ratio",
    "reach",
    "",
    "with the software GPU",
    "stand-in without farwarp",
];

/// A Markdown table that is also straight in a terminal.
pub fn text(rows: &[Row], figures: &Figures, about: &str) -> String {
    let cells: Vec<[String; 8]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(|row| row.cells(figures))).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut out = format!("{about}\n\n");
    for (index, row) in cells.iter().enumerate() {
        let padded: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
            .collect();
        let _ = writeln!(out, "| {} |", padded.join(" | "));
        if index == 0 {
            let _ = writeln!(out, "|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
        }
    }
    if !figures.missing.is_empty() {
        out.push('\n');
    }
    for (what, why) in &figures.missing {
        let _ = writeln!(out, "NOT RUN  {what}: {why}");
    }
    out
}

pub fn json(rows: &[Row], figures: &Figures, about: &str) -> Value {
    let rows = rows.iter().map(|row| {
        json!({
            "what": row.what,
            "unit": row.unit,
            "measured": figures.median(row.of),
            "limit": row.against.and_then(|against| figures.median(against)),
            "limit_is": row.against.map(|against| against.1),
            "ratio": figures.ratio(row),
            "reach": match row.reach { Reach::AtMost(value) | Reach::AtLeast(value) => Some(value), Reach::None => None },
            "reached": row.reached(figures),
        })
    });
    let raw = figures.values.iter().map(
        |((side, name), values)| json!({ "side": format!("{side:?}"), "figure": name, "rounds": values }),
    );
    json!({
        "about": about,
        "rows": rows.collect::<Vec<_>>(),
        "figures": raw.collect::<Vec<_>>(),
        "not_run": figures.missing,
    })
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        millions if millions >= 1e9 => format!("{} G", short(value / 1e9)),
        millions if millions >= 1e6 => format!("{} M", short(value / 1e6)),
        thousands if thousands >= 1e4 => format!("{} k", short(value / 1e3)),
        hundreds if hundreds >= 99.95 => format!("{value:.0}"),
        tens if tens >= 9.995 => format!("{value:.1}"),
        ones if ones >= 0.0995 || ones == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = Row {
        what: "call",
        unit: "µs",
        of: (Side::StandIn, "call"),
        against: Some((Side::Limit, "datagram")),
        reach: Reach::AtMost(2.5),
    };

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_own_ratios() {
        let mut figures = Figures::default();
        for (call, datagram) in [(20.0, 10.0), (300.0, 100.0), (9.0, 1.0)] {
            figures.add(Side::StandIn, "call", call);
            figures.add(Side::Limit, "datagram", datagram);
        }
        assert_eq!(figures.ratio(&ROW), Some(3.0));
        assert_eq!(ROW.reached(&figures), Some(false));
    }

    #[test]
    fn what_was_not_measured_is_neither_reached_nor_missed() {
        assert_eq!(ROW.reached(&Figures::default()), None);
        assert_eq!(ROW.cells(&Figures::default())[1], "–");
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(
            [1234567.0, 12345.0, 1234.0, 12.34, 1.234, 0.0123].map(short),
            ["1.23 M", "12.3 k", "1234", "12.3", "1.23", "0.0123"]
        );
    }
}
