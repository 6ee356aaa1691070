//! A program in one word: the seed that it is drawn from and, where not all of them are meant, its steps.

use std::fmt;
use std::str::FromStr;

use crate::draw;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub seed: u64,
    pub steps: Vec<usize>,
}

impl Script {
    /// All that this seed draws.
    pub fn whole(seed: u64) -> Self {
        Script { seed, steps: (0..draw::program(seed).steps.len()).collect() }
    }
}

/// `7` is a seed's program, `7:0,3-5` these steps of it.
impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| format!("{text:?} is no program: SEED or SEED:STEP,FIRST-LAST,…");
        let Some((seed, steps)) = text.split_once(':') else {
            return Ok(Script::whole(text.parse().map_err(wrong)?));
        };
        let mut script = Script { seed: seed.parse().map_err(wrong)?, steps: Vec::new() };
        let drawn = draw::program(script.seed).steps.len();
        for range in steps.split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (usize, usize) = (first.parse().map_err(wrong)?, last.parse().map_err(wrong)?);
            if last >= drawn {
                return Err(format!("{text:?}: seed {} draws {drawn} steps", script.seed));
            }
            script.steps.extend(first..=last);
        }
        Ok(script)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seed)?;
        let mut steps = self.steps.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = steps.next() {
            let mut last = first;
            while let Some(next) = steps.next_if_eq(&(last + 1)) {
                last = next;
            }
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_what_it_says() {
        let script = Script { seed: 3, steps: vec![0, 1, 2, 5, 7, 8] };
        assert_eq!(script.to_string(), "3:0-2,5,7-8");
        assert_eq!(script.to_string().parse(), Ok(script));
        assert!("3:100000".parse::<Script>().is_err());
    }
}
