//! A worker that has no GPU: it sends back what it receives, and behaves badly when told to.
#![allow(unsafe_code)] // polls descriptors that a link names by number.

use std::os::fd::{BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use farwarp_link::Link;
use farwarp_server::port::{NewConnection, PortError, WorkerPort};
use farwarp_server::worker_process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn main() {
    let (mut port, start) = WorkerPort::from_fd(worker_process::enter().unwrap()).unwrap();
    worker_process::close_jail(&port, &start).unwrap();
    port.driver_loaded().unwrap();
    let why = serve(&mut port);
    port.ended(&why.to_string());
}

fn serve(port: &mut WorkerPort) -> PortError {
    let counters = port.counters();
    let mut link: Option<Box<dyn Link>> = None;
    let mut unsent = Vec::new();
    loop {
        let now = Instant::now();
        match port.poll(now) {
            Ok(Some(NewConnection { link: newer, epoch })) => {
                // The connection before is told so by its last drive.
                if let Some(mut older) = link.replace(newer) {
                    let _superseded = older.drive(now);
                }
                unsent = format!("epoch {epoch}\n").into_bytes();
            }
            Ok(None) => {}
            Err(why) => {
                if let (PortError::End { code, why }, Some(link)) = (&why, &mut link) {
                    link.close(*code, why);
                }
                return why;
            }
        }
        if let Some(current) = &mut link {
            match echo(current.as_mut(), &mut unsent, now) {
                Ok(0) => {}
                Ok(calls) => {
                    counters.called(calls, now);
                    counters.holds(4096);
                    continue;
                }
                Err(_lost) => link = None,
            }
        }
        wait(port, link.as_deref(), now);
    }
}

/// How many bytes came, each of which counts as a call.
fn echo(link: &mut dyn Link, unsent: &mut Vec<u8>, now: Instant) -> Result<u64, farwarp_link::LinkError> {
    link.drive(now)?;
    let mut buffer = [0; 64 << 10];
    let count = link.read(&mut buffer)?;
    obey(&buffer[..count], link);
    unsent.extend_from_slice(&buffer[..count]);
    let written = link.write(unsent)?;
    unsent.drain(..written);
    link.drive(now)?;
    Ok(count as u64)
}

fn obey(words: &[u8], link: &mut dyn Link) {
    match words {
        b"crash" => std::process::abort(),
        b"endless kernel" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        // What a worker does whose executor sits in the driver while another thread keeps the connection alive.
        b"endless kernel, beating heart" => loop {
            let _ended = link.drive(Instant::now());
            std::thread::sleep(Duration::from_millis(20));
        },
        _ => {}
    }
}

fn wait(port: &WorkerPort, link: Option<&dyn Link>, now: Instant) {
    let mut descriptors: Vec<RawFd> = Vec::new();
    port.poll_fds(&mut descriptors);
    let due = [port.timeout(), link.and_then(|link| link.timeout())].into_iter().flatten().min();
    if let Some(link) = link {
        link.poll_fds(&mut descriptors);
    }
    let due = due.unwrap_or(now + Duration::from_secs(1));
    let timeout = Timespec::try_from(due.saturating_duration_since(now)).unwrap();
    let borrow = |&fd: &RawFd| {
        // SAFETY: port and link own these descriptors and are borrowed until the wait is over.
        PollFd::from_borrowed_fd(unsafe { BorrowedFd::borrow_raw(fd) }, PollFlags::IN)
    };
    let mut polled: Vec<PollFd<'_>> = descriptors.iter().map(borrow).collect();
    let _interrupted = poll(&mut polled, Some(&timeout));
}
