//! The rounds: in each, every limit and every road once, so that what disturbs one disturbs its neighbours too.

use std::path::PathBuf;

use crate::cores::Cores;
use crate::limits::{self, Wait};
use crate::road::{self, Program, Server};
use crate::rows::*;
use crate::table::{Figures, Side};
use crate::task::Task;

pub const ROUNDS: usize = 5;
const MIB: usize = 1 << 20;

/// What is measured, by absolute paths.
pub struct Tools {
    pub server: PathBuf,
    pub shim: PathBuf,
    pub software: PathBuf,
    pub stand_in: PathBuf,
    pub first_result: Option<PathBuf>,
}

/// How much of each a round does.
pub struct Extent {
    trips: usize,
    calls: usize,
    bursts: usize,
    launches: usize,
    slots: usize,
    /// The software GPU executes its launches, so it gets fewer.
    software_share: usize,
    lane_turns: usize,
}

impl Extent {
    pub const WHOLE: Extent = Extent {
        trips: 2000,
        calls: 2000,
        bursts: 50,
        launches: 200_000,
        slots: 1_000_000,
        software_share: 10,
        lane_turns: 1000,
    };
    pub const QUICK: Extent = Extent {
        trips: 500,
        calls: 300,
        bursts: 10,
        launches: 30_000,
        slots: 200_000,
        software_share: 10,
        lane_turns: 200,
    };

    fn for_the_software_gpu(&self) -> Extent {
        Extent {
            trips: self.trips,
            calls: self.calls / self.software_share,
            bursts: self.bursts / self.software_share,
            launches: self.launches / self.software_share,
            slots: self.slots,
            software_share: 1,
            lane_turns: self.lane_turns,
        }
    }
}

/// A task, and the names of the figures that it gives.
type Errand = (Task, Vec<&'static str>);

/// A road that stays up for all rounds.
struct Standing {
    side: Side,
    program: Program,
    extent: Extent,
    tasks: fn(&Extent) -> Vec<Errand>,
}

pub fn measure(tools: &Tools, extent: &Extent) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let cores = Cores::of_this_thread();
    let stand_in = Server::start(&tools.server, &tools.stand_in, &cores, None)?;
    let asleep = Server::start(&tools.server, &tools.stand_in, &cores, Some(1))?;
    let software = Server::start(&tools.server, &tools.software, &cores, None)?;
    let ends = [
        (Side::Direct, &tools.stand_in, None, None, whole_road as fn(&Extent) -> _),
        (Side::StandIn, &tools.shim, Some(stand_in.ticket()), None, whole_road),
        (Side::Asleep, &tools.shim, Some(asleep.ticket()), Some(0), calls_only),
        (Side::Software, &tools.shim, Some(software.ticket()), None, whole_road),
        (Side::SoftwareDirect, &tools.software, None, Some(0), lanes_only),
    ];
    let mut standing = Vec::new();
    for (side, library, ticket, core, tasks) in ends {
        let mut program = Program::start(library, ticket, &cores, core)?;
        match program.perform(Task::First) {
            Ok(_) => {
                let extent = match side {
                    Side::Software => extent.for_the_software_gpu(),
                    _ => Extent { ..*extent },
                };
                standing.push(Standing { side, program, extent, tasks });
            }
            Err(error) => figures.miss(format!("{side:?}"), error.to_string()),
        }
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        limits(&mut figures, extent)?;
        for road in &mut standing {
            drive(road, &mut figures);
        }
        for (side, server) in [(Side::StandIn, &stand_in), (Side::Software, &software)] {
            start(side, tools, server, &cores, &mut figures)?;
        }
        cudart(tools, &software, &mut figures);
    }
    Ok(figures)
}

fn limits(figures: &mut Figures, extent: &Extent) -> anyhow::Result<()> {
    for (wait, names) in
        [(Wait::Busy, [UDP_BUSY, UDP_BUSY_HIGH]), (Wait::Asleep, [UDP_ASLEEP, UDP_ASLEEP_HIGH])]
    {
        let (median, high) = limits::ping_pong_us(wait, extent.trips)?;
        figures.add(Side::Limit, names[0], median);
        figures.add(Side::Limit, names[1], high);
    }
    figures.add(Side::Limit, RING, limits::ring_per_s(extent.slots));
    figures.add(Side::Limit, TLS, limits::tls_gb_per_s(256 * MIB)?);
    figures.add(Side::Limit, MEMCPY, limits::memcpy_gb_per_s(256 * MIB));
    Ok(())
}

fn whole_road(extent: &Extent) -> Vec<Errand> {
    let mut tasks = calls_only(extent);
    tasks.extend([
        (Task::FiftyAndRead(extent.calls / 4 + 1), vec![FIFTY]),
        (Task::ToldLaunch(extent.bursts), vec![TOLD_LAUNCH]),
        (Task::ToldRecord(extent.bursts), vec![TOLD_RECORD]),
        (Task::ToldFill(extent.bursts), vec![TOLD_FILL]),
        (Task::Launches(extent.launches), vec![LAUNCHES]),
        (Task::WideLaunches(extent.launches), vec![WIDE]),
        (Task::CopyUp(64 * MIB), vec![UP_64]),
        (Task::CopyUp(256 * MIB), vec![UP_256]),
        (Task::CopyDown(64 * MIB), vec![DOWN_64]),
        (Task::CopyDown(256 * MIB), vec![DOWN_256]),
        (Task::Module, vec![MODULE_COLD, MODULE_WARM]),
    ]);
    tasks
}

fn calls_only(extent: &Extent) -> Vec<Errand> {
    vec![
        (Task::MemoryInfo(extent.calls), vec![INFO, INFO_HIGH]),
        (Task::SmallRead(extent.calls), vec![READ, READ_HIGH]),
    ]
}

fn lanes_only(extent: &Extent) -> Vec<Errand> {
    vec![(Task::Lanes(extent.lane_turns), vec![LANES])]
}

/// All tasks of one road. What fails is printed as not run; the rest goes on.
fn drive(road: &mut Standing, figures: &mut Figures) {
    for (task, names) in (road.tasks)(&road.extent) {
        match road.program.perform(task) {
            Ok(values) => {
                names.iter().zip(values).for_each(|(name, value)| figures.add(road.side, name, value));
            }
            Err(error) => {
                figures.miss(format!("{:?}, {}", road.side, names.join(" and ")), error.to_string())
            }
        }
    }
}

/// A new program, from cuInit to its first result.
fn start(
    side: Side,
    tools: &Tools,
    server: &Server,
    cores: &Cores,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut program = Program::start(&tools.shim, Some(server.ticket()), cores, None)?;
    match program.perform(Task::First) {
        Ok(values) => {
            [INIT, FIRST].into_iter().zip(values).for_each(|(name, value)| figures.add(side, name, value));
            figures.add(side, TRIPS, program.end()?);
        }
        Err(error) => figures.miss(format!("{side:?}, {FIRST}"), error.to_string()),
    }
    Ok(())
}

fn cudart(tools: &Tools, server: &Server, figures: &mut Figures) {
    let Some(program) = &tools.first_result else {
        figures.miss(CUDART_WHOLE.into(), "first_result is not compiled (scripts/programs)".into());
        return;
    };
    match road::start_of_a_cudart_program(program, &tools.shim, &server.ticket()) {
        Ok(start) => {
            figures.add(Side::Software, CUDART_WHOLE, start.whole_ms);
            figures.add(Side::Software, CUDART_FIRST, start.connected_ms);
            figures.add(Side::Software, CUDART_TRIPS, start.round_trips);
        }
        Err(error) => figures.miss(CUDART_WHOLE.into(), format!("{error:#}")),
    }
}
