//! Finds the shortest program that still fails: leaves steps out, in ever smaller portions, together with all that is not lawful without
//! them, for as long as the rest fails in a process of its own.

use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::draw;
use crate::model::lawful;
use crate::program::Program;
use crate::script::Script;

/// A fault that is a matter of time is asked for this often before it counts as gone.
const TIMES: usize = 30;
/// Shrinking ends by then, with what it has.
const LIMIT: Duration = Duration::from_secs(100);

/// The shortest script that still fails, or None when it never did.
pub fn shortest(script: &Script) -> Option<Script> {
    let program = draw::program(script.seed);
    let began = Instant::now();
    let mut best = script.clone();
    fails(&best).then_some(())?;
    let mut portion = best.steps.len() / 2;
    while portion > 0 && began.elapsed() < LIMIT {
        let mut end = best.steps.len();
        while end > 0 && began.elapsed() < LIMIT {
            let start = end.saturating_sub(portion);
            let candidate = best.without(start..end, &program);
            if candidate.steps.len() < best.steps.len() && fails(&candidate) {
                best = candidate;
                end = start.min(best.steps.len());
            } else {
                end = start;
            }
        }
        portion /= 2;
    }
    Some(best)
}

impl Script {
    /// Without those, and without what is then unlawful.
    fn without(&self, left_out: std::ops::Range<usize>, program: &Program) -> Script {
        let mut steps = self.steps.clone();
        steps.drain(left_out);
        let (kept, _) = lawful(&program.only(&steps));
        Script { seed: self.seed, steps: kept.into_iter().map(|at| steps[at]).collect() }
    }
}

fn fails(script: &Script) -> bool {
    let here = env::current_exe().expect("this program has a path");
    let mut command = Command::new(here);
    command.args(["run", &script.to_string(), "--times", &TIMES.to_string()]);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    !status.expect("this program can be started again").success()
}
