//! What was tried and what stopped it, by kind and by rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use farwarp_protocol::frame::FrameError;
use farwarp_protocol::session::SessionError;
use farwarp_server::refusal::Refusal;
use farwarp_server::rig::Broken;

use crate::case::Case;

/// Every rule of a session and of its frames; `rule_of` names them, and does not compile when one is missing there.
pub const SESSION_RULES: [&str; 9] = [
    "UnknownKind",
    "TooLong",
    "UnknownFlags",
    "UnusedField",
    "Gap",
    "AckedUnsent",
    "AckedBackwards",
    "NoGreeting",
    "GreetedTwice",
];

/// The name of the rule that ended a session.
pub fn rule_of(broken: &Broken) -> &'static str {
    match broken {
        Broken::Refused(refusal) => refusal.rule(),
        Broken::Session(SessionError::Frame(error)) => match error {
            FrameError::UnknownKind(_) => "UnknownKind",
            FrameError::TooLong { .. } => "TooLong",
            FrameError::UnknownFlags(_) => "UnknownFlags",
            FrameError::UnusedField { .. } => "UnusedField",
        },
        Broken::Session(SessionError::Gap { .. }) => "Gap",
        Broken::Session(SessionError::AckedUnsent { .. }) => "AckedUnsent",
        Broken::Session(SessionError::AckedBackwards { .. }) => "AckedBackwards",
        Broken::Session(SessionError::NoGreeting) => "NoGreeting",
        Broken::Session(SessionError::GreetedTwice) => "GreetedTwice",
    }
}

#[derive(Default)]
pub struct Ledger {
    /// By kind of lie, and by what became of it: a rule, or "driver".
    outcomes: BTreeMap<(&'static str, &'static str), usize>,
    /// How each rule's sentence goes, numbers left out: so it is known again in what a real server says.
    sentences: BTreeMap<String, &'static str>,
    /// What went otherwise than it must.
    faults: Vec<String>,
}

impl Ledger {
    pub fn stopped(&mut self, kind: &'static str, rule: &'static str) {
        *self.outcomes.entry((kind, rule)).or_default() += 1;
    }

    /// Left to the driver, or lawful after all.
    pub fn passed(&mut self, kind: &'static str) {
        self.stopped(kind, "(the driver's)");
    }

    pub fn fault(&mut self, case: &Case, what: &str) {
        self.faults.push(format!("{} ({}) must be {:?}, was {what}", case.what, case.kind, case.verdict));
    }

    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    pub fn learn(&mut self, sentence: &str, rule: &'static str) {
        self.sentences.insert(without_numbers(sentence), rule);
    }

    /// The rule that a server's last words name.
    pub fn rule_in(&self, words: &str) -> Option<&'static str> {
        let words = without_numbers(words);
        let found = self.sentences.iter().filter(|(sentence, _)| words.contains(sentence.as_str()));
        found.max_by_key(|(sentence, _)| sentence.len()).map(|(_, rule)| *rule)
    }

    pub fn cases(&self) -> usize {
        self.outcomes.values().sum()
    }

    /// Rules that nothing has met.
    pub fn unmet(&self) -> BTreeSet<&'static str> {
        let met: BTreeSet<&str> = self.outcomes.keys().map(|(_, rule)| *rule).collect();
        Refusal::RULES.iter().chain(&SESSION_RULES).filter(|rule| !met.contains(*rule)).copied().collect()
    }
}

fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let number = bare.starts_with(|c: char| c.is_ascii_digit())
            || bare.len() == 16 && bare.chars().all(|c| c.is_ascii_hexdigit());
        out.push_str(if number { "#" } else { bare });
        out.push_str(&word[bare.len()..]);
    }
    out
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((kind, rule), count) in &self.outcomes {
            writeln!(f, "{count:>7}  {kind:<40} {rule}")?;
        }
        let stopped: usize = self
            .outcomes
            .iter()
            .filter(|((_, rule), _)| !rule.starts_with('('))
            .map(|(_, count)| count)
            .sum();
        write!(f, "{:>7}  in all, {stopped} stopped by a rule", self.cases())
    }
}
