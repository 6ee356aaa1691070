//! A session's worker.

use anyhow::Context;

use crate::port::WorkerPort;
use crate::worker_process;

pub fn main() -> anyhow::Result<()> {
    let (port, _start) = WorkerPort::from_fd(worker_process::enter()?).context("the gate's first message")?;
    port.driver_failed("this build replays no calls yet")?;
    anyhow::bail!("this build replays no calls yet")
}
