//! farwarp-random: lawful random programs on the driver API, on whatever libcuda.so.1 it is given. Each ends with the memory that the
//! rules of CUDA decide, which a model knows beforehand; another end is a fault of what lies between.
//!
//!   farwarp-random seeds FIRST COUNT        the programs of these seeds, one after the other in this process
//!   farwarp-random run PROGRAM [--times N]  one of them: SEED, or SEED:STEPS
//!   farwarp-random show PROGRAM             its steps
//!   farwarp-random shrink PROGRAM           the shortest part of it that fails, each try in a process of its own

mod draw;
mod driver;
mod execute;
mod model;
mod order;
mod perform;
mod program;
mod script;
mod shrink;
mod work;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;

use execute::{Machine, lock};
use model::lawful;
use script::Script;

/// No program needs a tenth of it; one that does hangs.
const PROGRAM_LIMIT: Duration = Duration::from_secs(60);
const WATCH_EVERY: Duration = Duration::from_millis(200);

#[derive(Parser)]
enum Task {
    Seeds {
        first: u64,
        count: u64,
    },
    Run {
        program: Script,
        #[arg(long, default_value_t = 1)]
        times: usize,
    },
    Show {
        program: Script,
    },
    Shrink {
        program: Script,
    },
}

/// What is running, and since when.
static RUNNING: Mutex<Option<(String, Instant)>> = Mutex::new(None);

fn main() -> ExitCode {
    match Task::parse() {
        Task::Seeds { first, count } => all((first..first + count).map(Script::whole)),
        Task::Run { program, times } => all(std::iter::repeat_n(program, times)),
        Task::Show { program } => {
            print!("{}", draw::program(program.seed).only(&program.steps));
            ExitCode::SUCCESS
        }
        Task::Shrink { program } => shrink(&program),
    }
}

/// Runs them until one fails.
fn all(scripts: impl Iterator<Item = Script>) -> ExitCode {
    std::thread::spawn(watch);
    let machine = match Machine::open() {
        Ok(machine) => machine,
        Err(failure) => return failed("before the first program", &failure),
    };
    let (mut programs, mut steps) = (0, 0);
    for script in scripts {
        let program = draw::program(script.seed).only(&script.steps);
        let (kept, model) = lawful(&program);
        if kept.len() != program.steps.len() {
            return failed(&script.to_string(), "not all of its steps are lawful");
        }
        // Whoever finds this process crashed looks for the last of these.
        eprintln!("running {script}");
        *lock(&RUNNING) = Some((script.to_string(), Instant::now()));
        if let Err(failure) = machine.run(&program, &model) {
            return failed(&script.to_string(), &failure);
        }
        programs += 1;
        steps += program.steps.len();
    }
    println!("{programs} programs, {steps} steps");
    ExitCode::SUCCESS
}

fn failed(script: &str, failure: &str) -> ExitCode {
    println!("FAILED {script}\n{failure}");
    ExitCode::FAILURE
}

/// Ends the process when a program hangs.
fn watch() {
    loop {
        std::thread::sleep(WATCH_EVERY);
        let running = lock(&RUNNING).clone();
        if let Some((script, _)) = running.filter(|(_, since)| since.elapsed() > PROGRAM_LIMIT) {
            failed(&script, &format!("not done after {PROGRAM_LIMIT:?}"));
            // It may have died in the middle of a line.
            let _ = std::io::stdout().flush();
            std::process::abort();
        }
    }
}

fn shrink(script: &Script) -> ExitCode {
    let Some(shortest) = shrink::shortest(script) else {
        println!("{script} does not fail again");
        return ExitCode::SUCCESS;
    };
    println!("the shortest that fails, of {} steps: FARWARP_RANDOM_PROGRAM={shortest}", script.steps.len());
    print!("{}", draw::program(shortest.seed).only(&shortest.steps));
    ExitCode::FAILURE
}
