//! `farwarp-bench`: the road against the machine's own limits, both measured in the same rounds. Run by `scripts/bench`, which says how.
//!
//! Nothing here passes or fails: it measures, divides, and prints beside each ratio the figure to reach.

mod cores;
mod limits;
mod program;
mod road;
mod rounds;
mod rows;
mod table;
mod task;

use std::fs;
use std::path::PathBuf;

use clap::Parser;

use crate::rounds::{Extent, Tools};

#[derive(Parser)]
struct Arguments {
    /// Be the measured program, with this library as its libcuda.
    #[arg(long, value_name = "LIBRARY", hide = true)]
    measured: Option<PathBuf>,
    /// What scripts/build left.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    dist: PathBuf,
    /// The stand-in driver.
    #[arg(long, value_name = "LIBRARY", required_unless_present = "measured")]
    stand_in: Option<PathBuf>,
    /// The compiled first_result; without it the start of a cudart program is not measured.
    #[arg(long, value_name = "PROGRAM")]
    first_result: Option<PathBuf>,
    /// Fewer repetitions in each round.
    #[arg(long)]
    quick: bool,
    /// What was measured, and when: the first line of what is printed.
    #[arg(long, default_value = "")]
    about: String,
    /// Where to write all rounds' numbers.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write the table.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(library) = &arguments.measured {
        return program::main(library);
    }
    let tools = Tools {
        server: road::existing(arguments.dist.join("bin/farwarp-server"))?,
        shim: road::existing(arguments.dist.join("lib/farwarp/libcuda.so.1"))?,
        software: road::existing(arguments.dist.join("lib/farwarp/softgpu/libcuda.so.1"))?,
        stand_in: road::existing(arguments.stand_in.unwrap_or_default())?,
        first_result: arguments.first_result.map(road::existing).transpose()?,
    };
    let extent = if arguments.quick { Extent::QUICK } else { Extent::WHOLE };
    let figures = rounds::measure(&tools, &extent)?;
    let cores = cores::Cores::of_this_thread().count();
    let about = format!(
        "{}{cores} cores, loopback, medians of {} interleaved rounds",
        arguments.about,
        rounds::ROUNDS
    );
    let text = table::text(rows::ROWS, &figures, &about);
    print!("{text}");
    if let Some(path) = arguments.json {
        fs::write(path, format!("{:#}\n", table::json(rows::ROWS, &figures, &about)))?;
    }
    if let Some(path) = arguments.record {
        fs::write(path, format!("# {text}"))?;
    }
    Ok(())
}

fn median(values: Vec<f64>) -> f64 {
    percentiles(values).0
}

/// The median and the 99th percentile.
fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    (at(0.5), at(0.99))
}
