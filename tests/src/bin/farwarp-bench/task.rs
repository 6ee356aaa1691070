//! What the measured program is told to do, as one line of text.

/// The number is how often, or how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// cuInit to the first kernel's result; comes before all others.
    First,
    MemoryInfo(usize),
    SmallRead(usize),
    FiftyAndRead(usize),
    ToldLaunch(usize),
    ToldRecord(usize),
    ToldFill(usize),
    Launches(usize),
    WideLaunches(usize),
    CopyUp(usize),
    CopyDown(usize),
    Module,
    Lanes(usize),
}

impl Task {
    pub fn line(self) -> String {
        match self {
            Task::First => "first 0".into(),
            Task::MemoryInfo(n) => format!("memory-info {n}"),
            Task::SmallRead(n) => format!("small-read {n}"),
            Task::FiftyAndRead(n) => format!("fifty-and-read {n}"),
            Task::ToldLaunch(n) => format!("told-launch {n}"),
            Task::ToldRecord(n) => format!("told-record {n}"),
            Task::ToldFill(n) => format!("told-fill {n}"),
            Task::Launches(n) => format!("launches {n}"),
            Task::WideLaunches(n) => format!("wide-launches {n}"),
            Task::CopyUp(n) => format!("copy-up {n}"),
            Task::CopyDown(n) => format!("copy-down {n}"),
            Task::Module => "module 0".into(),
            Task::Lanes(n) => format!("lanes {n}"),
        }
    }

    pub fn parse(line: &str) -> Option<Task> {
        let (name, number) = line.split_once(' ')?;
        let n = number.parse().ok()?;
        Some(match name {
            "first" => Task::First,
            "memory-info" => Task::MemoryInfo(n),
            "small-read" => Task::SmallRead(n),
            "fifty-and-read" => Task::FiftyAndRead(n),
            "told-launch" => Task::ToldLaunch(n),
            "told-record" => Task::ToldRecord(n),
            "told-fill" => Task::ToldFill(n),
            "launches" => Task::Launches(n),
            "wide-launches" => Task::WideLaunches(n),
            "copy-up" => Task::CopyUp(n),
            "copy-down" => Task::CopyDown(n),
            "module" => Task::Module,
            "lanes" => Task::Lanes(n),
            _ => return None,
        })
    }
}
