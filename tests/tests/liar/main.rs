//! A server that lies: whatever it answers, a program gets an error of CUDA's and a line that says why, or goes on; it does not crash,
//! does not wait for ever, and no byte is written that it did not ask for.
//!
//! FARWARP_LIES_EVERY=1 tells every lie; by default each one of [`EVERY`].

mod cases;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use farwarp_tests::liar::{LIE, Lie, SAID, Twist, in_words};
use farwarp_tests::{Outcome, Product, Server, run};

use cases::Answered;

const EVERY: usize = 48;
/// Far beyond what any of these programs needs on a busy machine; reached only by one that hangs.
const LIMIT: Duration = Duration::from_secs(20);
/// So many servers lie beside each other.
const LIARS: usize = 2;
/// Lines of ours that a program's person reads of one lie: what was wrong, and that the session is lost.
const LINES_MAX: usize = 3;

/// Each answers operations that the others do not, and `believes` looks at its buffers.
const PROGRAMS: [&str; 10] = [
    "believes",
    "tides",
    "driver_api",
    "boxes",
    "pools",
    "virtual_memory",
    "graph_conditional",
    "linked",
    "images",
    "stream_kinds",
];

#[test]
fn a_lying_server_gets_an_error_of_cudas_and_nothing_else() {
    let every = std::env::var("FARWARP_LIES_EVERY").map_or(EVERY, |text| text.parse().expect("a number"));
    let (answered, honest) = answers();
    let all = cases::of(&answered);
    let told: Vec<&(usize, Lie)> = all.iter().step_by(every.max(1)).collect();
    let (next, ledger) = (AtomicUsize::new(0), Mutex::new(Ledger::default()));
    std::thread::scope(|scope| {
        for _ in 0..LIARS {
            scope.spawn(|| {
                let server = liar();
                while let Some((program, lie)) = told.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    // It fails with what the program said, which is a fault like any other.
                    let ended =
                        catch_unwind(AssertUnwindSafe(|| tell(&server, PROGRAMS[*program], Some(lie))));
                    let (verdict, words) = match ended {
                        Ok(outcome) => {
                            (judge(&outcome, lie, &honest[*program], &said(&server)), outcome.to_string())
                        }
                        Err(_) => (Verdict::Fault("it hangs".into()), server.log()),
                    };
                    let mut ledger = ledger.lock().expect("nobody panics with it");
                    ledger.note(lie, PROGRAMS[*program], verdict, &words);
                }
            });
        }
    });
    let ledger = ledger.into_inner().expect("nobody panics with it");
    println!(
        "{} of {} lies about the answers to {} operations\n{ledger}",
        told.len(),
        all.len(),
        answered.len()
    );
    assert!(ledger.faults.is_empty(), "{} faults:\n{}", ledger.faults.len(), ledger.faults.join("\n"));
    assert!(
        ledger.told * 10 > told.len() * 9,
        "most of the lies were not told: {} of {}",
        ledger.told,
        told.len()
    );
}

fn liar() -> Server {
    Server::of_workers(env!("CARGO_BIN_EXE_farwarp-liar").as_ref())
}

/// What honest runs are answered: for each operation its first answer, and in which program; and what each program then prints.
fn answers() -> (Vec<Answered>, Vec<String>) {
    let server = liar();
    let (mut answered, mut honest): (Vec<Answered>, Vec<String>) = (Vec::new(), Vec::new());
    for (program, name) in PROGRAMS.iter().enumerate() {
        let outcome = tell(&server, name, None);
        assert!(outcome.status.success(), "{name} with an honest worker: {outcome}\n{}", server.log());
        for line in said(&server).lines() {
            let words: Vec<i64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
            let (op, bytes, code) = (words[0] as u32, words[1] as usize, words[2]);
            if code == 0 && answered.iter().all(|known| known.op != op) {
                answered.push(Answered { program, op, bytes });
            }
        }
        honest.push(String::from_utf8_lossy(&outcome.stdout).into_owned());
    }
    (answered, honest)
}

fn tell(server: &Server, name: &str, lie: Option<&Lie>) -> Outcome {
    fs::write(server.file(LIE), lie.map(Lie::written).unwrap_or_default()).expect("a file of ours");
    let program = Product::find().program(&format!("{name}.driver"));
    let mut command = server.command(&program);
    if name == "tides" {
        // Which is there: one round.
        command.arg(server.file(LIE));
    }
    run(&mut command, LIMIT)
}

fn said(server: &Server) -> String {
    fs::read_to_string(server.file(SAID)).unwrap_or_default()
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    NotTold,
    /// The program ran to its end and printed the same.
    Harmless,
    /// It ended well and printed something else, as what it was told was another truth.
    Believed,
    Refused,
    Fault(String),
}

fn judge(outcome: &Outcome, lie: &Lie, honest: &str, said: &str) -> Verdict {
    if !said.contains("lied") {
        return Verdict::NotTold;
    }
    if let Some(signal) = outcome.status.signal() {
        return Verdict::Fault(format!("ended by signal {signal}"));
    }
    if outcome.status.code() == Some(3) {
        return Verdict::Fault("a byte was written that was not asked for".into());
    }
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let lines = stderr.lines().filter(|line| line.starts_with("farwarp: ")).count();
    if stderr.contains("panicked") {
        return Verdict::Fault("a panic".into());
    }
    if lines > LINES_MAX {
        return Verdict::Fault(format!("{lines} lines"));
    }
    // An answer of another shape cannot be another truth.
    let of_another_shape =
        matches!(lie.twist, Twist::Cut { .. } | Twist::Claim { .. } | Twist::Twice | Twist::Unasked { .. });
    match (outcome.status.success(), String::from_utf8_lossy(&outcome.stdout) == honest) {
        (true, true) => Verdict::Harmless,
        (true, false) if of_another_shape => Verdict::Fault("believed".into()),
        (true, false) => Verdict::Believed,
        (false, _) if of_another_shape && lines == 0 => {
            Verdict::Fault("refused without a line that says why".into())
        }
        (false, _) => Verdict::Refused,
    }
}

#[derive(Default)]
struct Ledger {
    counts: BTreeMap<(&'static str, Verdict), usize>,
    told: usize,
    faults: Vec<String>,
}

impl Ledger {
    fn note(&mut self, lie: &Lie, program: &str, verdict: Verdict, outcome: &str) {
        self.told += usize::from(verdict != Verdict::NotTold);
        if let Verdict::Fault(why) = &verdict {
            self.faults.push(format!("{program}, {}: {why}\n{outcome}", in_words(lie)));
            return;
        }
        *self.counts.entry((cases::kind(lie), verdict)).or_default() += 1;
    }
}

impl std::fmt::Display for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for ((kind, verdict), count) in &self.counts {
            writeln!(f, "{kind}: {verdict:?} {count}")?;
        }
        Ok(())
    }
}
