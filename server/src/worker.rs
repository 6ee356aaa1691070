//! A session's worker: loads the driver, takes calls off the log, and ends with its session.

use crate::arena::Arena;
use crate::driver::Driver;
use crate::executor::{self, Executor};
use crate::outlet::{Asker, Outlet};
use crate::param::Reader;
use crate::port::{Counters, PortError, WorkerPort};
use crate::printed::Printed;
use crate::refusal::Refusal;
use crate::{snapshot, worker_process};
use anyhow::{Context, anyhow};
use farwarp_link::Link;
use farwarp_protocol::admission::close;
use farwarp_protocol::call::{self, GOODBYE, HELLO, Range};
use farwarp_protocol::codec;
use farwarp_protocol::describe::describe;
use farwarp_protocol::error::{CUDA_ERROR_NO_DEVICE, Code};
use farwarp_protocol::frame::Header;
use farwarp_protocol::limits::{ADDRESSES_END, FREE_RANGES_MAX, VARIABLE_BYTES_MAX, VARIABLES_MAX};
use farwarp_protocol::meter;
use farwarp_protocol::snapshot::{Hello, PASSED_ON, Snapshot};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After the last call the worker looks for the next one without sleeping, for about as long as waking up would cost.
const SPIN: Duration = Duration::from_micros(50);
/// While a call keeps the executor busy, another thread keeps the connection alive, this often.
const KEEPER_INTERVAL: Duration = Duration::from_millis(20);
/// The longest sleep, should a timer be missed.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// `CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED`.
const BY_DESCRIPTOR: usize = 103;
/// Hardware queues of the worker's driver: streams of the program shall not wait for each other for want of one.
const MAX_CONNECTIONS: &str = "32";

pub fn main() -> anyhow::Result<()> {
    main_over(std::convert::identity)
}

/// The same over what is made of each connection: for tests of a worker that lies.
pub fn main_over(link: fn(Box<dyn Link>) -> Box<dyn Link>) -> anyhow::Result<()> {
    let (port, start) = WorkerPort::from_fd(worker_process::enter()?).context("the gate's first message")?;
    worker_process::close_jail(&port, &start).context("the gate hears nothing")?;
    let printed = Arc::new(Printed::capture().context("taking over stdout")?);
    let outlet = Arc::new(Outlet::new()?);
    let door = Arc::new(Door { port: Mutex::new(port), outlet: outlet.clone(), link });
    keep(door.clone());
    let mut worker = Worker {
        door: door.clone(),
        outlet,
        printed,
        driver: start.driver.into(),
        device_bytes_max: start.device_bytes_max,
        executor: None,
    };
    let end = worker.serve();
    door.leave(end)
}

/// Where connections come in. Whoever holds it is the one who looks after it.
struct Door {
    port: Mutex<WorkerPort>,
    outlet: Arc<Outlet>,
    link: fn(Box<dyn Link>) -> Box<dyn Link>,
}

impl Door {
    fn port(&self) -> MutexGuard<'_, WorkerPort> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears the gate, and lets a new connection carry the session on.
    fn attend(&self, port: &mut WorkerPort) -> Result<(), PortError> {
        if let Some(connection) = port.poll(Instant::now())? {
            self.outlet.connect((self.link)(connection.link));
        }
        Ok(())
    }

    /// The session is over.
    fn leave(&self, end: anyhow::Result<()>) -> ! {
        let end = match end {
            Err(error) if matches!(error.downcast_ref(), Some(PortError::ClientDone)) => Ok(()),
            other => other,
        };
        let (code, why) = match &end {
            Ok(()) => (close::DONE, "the client is done".to_owned()),
            Err(error) => (close::ENDED, format!("{error:#}")),
        };
        tracing::info!(why, "the session is over");
        self.outlet.close(code, &why);
        self.port().ended(&why);
        // The driver frees what the session had when the process ends, in mid-kernel too; its destructors need not run for that.
        exit(end.is_ok())
    }
}

#[allow(unsafe_code)] // leaves without running atexit handlers, which a driver in mid-kernel may never return from.
fn exit(well: bool) -> ! {
    // SAFETY: ends the process; nothing of ours is left to be written.
    unsafe { libc::_exit(if well { 0 } else { 1 }) }
}

struct Worker {
    door: Arc<Door>,
    outlet: Arc<Outlet>,
    printed: Arc<Printed>,
    driver: PathBuf,
    device_bytes_max: u64,
    executor: Option<Executor>,
}

/// What a record was.
enum Taken {
    Call,
    Goodbye,
}

impl Worker {
    /// Serves calls until the client is done or the session is over.
    fn serve(&mut self) -> anyhow::Result<()> {
        let mut body = Vec::new();
        let mut last_call = Instant::now();
        let spins = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        loop {
            let now = Instant::now();
            self.door.attend(&mut self.door.port())?;
            if let Err(error) = self.outlet.drive() {
                tracing::debug!(%error, "the connection is gone");
            }
            if let Some(executor) = &mut self.executor {
                executor.count_waiting(now);
                executor.take_offered()?;
            }
            let mut worked = false;
            while let Some(header) = self.outlet.next_call(&mut body)? {
                worked = true;
                let taken = self
                    .take(header, &body)
                    .with_context(|| format!("call {}, {}", header.number, describe(header.op, &body)))?;
                if let Taken::Goodbye = taken {
                    return Ok(());
                }
            }
            if worked {
                last_call = Instant::now();
            } else if !spins || last_call.elapsed() > SPIN {
                self.sleep();
            } else {
                // Where the other end shares the core, looking would only keep it from asking.
                std::thread::yield_now();
            }
        }
    }

    fn take(&mut self, header: Header, body: &[u8]) -> anyhow::Result<Taken> {
        let asker = executor::asker(&header)?;
        match (&mut self.executor, header.op) {
            (_, GOODBYE) => {
                Reader::new(body).finish()?;
                self.outlet.answer(asker, 0, &[]);
                return Ok(Taken::Goodbye);
            }
            (Some(_), HELLO) => return Err(Refusal::HelloTwice.into()),
            (Some(executor), op) => executor.execute(asker, op, body)?,
            (None, HELLO) => self.hello(asker, body)?,
            (None, op) => return Err(Refusal::BeforeHello { op }.into()),
        }
        Ok(Taken::Call)
    }

    /// The first call: only now are the client's variables known, so only now is the driver loaded.
    fn hello(&mut self, asker: Asker, body: &[u8]) -> anyhow::Result<()> {
        let hello = checked_hello(body)?;
        let meter = self.door.port().meter();
        set_variables(&hello.variables, meter);
        let counters = self.door.port().counters();
        match open(&self.driver, &hello, &self.outlet, &self.printed, counters) {
            Ok((mut executor, snapshot)) => {
                executor.device_bytes_max = self.device_bytes_max;
                executor.show_memory(self.door.port().market());
                self.executor = Some(executor);
                self.door.port().driver_loaded()?;
                self.outlet.answer(asker, 0, &codec::encode(&snapshot));
                Ok(())
            }
            Err((code, why)) => {
                self.door.port().driver_failed(&why)?;
                self.outlet.answer(asker, code, &[]);
                self.outlet.drive()?;
                Err(anyhow!(why))
            }
        }
    }

    /// Holds the door meanwhile: what comes there wakes this thread.
    fn sleep(&self) {
        let port = self.door.port();
        let mut fds: Vec<RawFd> = Vec::with_capacity(8);
        let link_timeout = self.outlet.poll_fds(&mut fds);
        port.poll_fds(&mut fds);
        let until = [link_timeout, port.timeout()].into_iter().flatten().min();
        let timeout =
            until.map_or(SLEEP_MAX, |until| until.saturating_duration_since(Instant::now()).min(SLEEP_MAX));
        poll(&fds, timeout);
        self.outlet.woken();
    }
}

/// Loads the driver and learns everything about it that does not change.
pub(crate) fn open(
    path: &Path,
    hello: &Hello,
    outlet: &Arc<Outlet>,
    printed: &Arc<Printed>,
    counters: Arc<Counters>,
) -> Result<(Executor, Snapshot), (Code, String)> {
    let driver: &'static Driver = Box::leak(Box::new(
        Driver::load(path).map_err(|error| (CUDA_ERROR_NO_DEVICE, format!("{}: {error}", path.display())))?,
    ));
    let refused = |what| move |code: Code| (code, format!("{what} failed with CUDA error {code}"));
    initialize(driver).map_err(refused("cuInit"))?;
    let devices = snapshot::devices(driver).map_err(refused("reading the devices"))?;
    let granules = devices.iter().map(|device| device.granularity[0]).collect();
    let exportable = devices.iter().all(|device| matches!(device.attributes.get(BY_DESCRIPTOR), Some(Ok(1))));
    let (arena, reserved) = Arena::reserve(driver, &hello.free_ranges, granules, exportable);
    let (driver_version, loading_mode) = versions(driver).map_err(refused("reading the version"))?;
    let snapshot = Snapshot {
        driver_version,
        loading_mode,
        rows: snapshot::rows(driver),
        arena: reserved,
        software: is_software(path),
        devices,
    };
    let (outlet, printed) = (outlet.clone(), printed.clone());
    let executor = Executor::new(driver, snapshot.devices.len(), arena, outlet, printed, counters);
    Ok((executor, snapshot))
}

#[allow(unsafe_code)] // the driver's first functions
fn initialize(driver: &Driver) -> Result<(), Code> {
    // SAFETY: takes a number.
    unsafe { driver.cuInit(0) }
}

#[allow(unsafe_code)] // the driver's first functions
fn versions(driver: &Driver) -> Result<(i32, u32), Code> {
    let (mut version, mut mode) = (0, 0);
    // SAFETY: both numbers are writable.
    unsafe {
        driver.cuDriverGetVersion(&mut version)?;
        // Drivers before lazy loading have only the eager mode, 1.
        if driver.cuModuleGetLoadingMode(&mut mode).is_err() {
            mode = 1;
        }
    }
    Ok((version, mode))
}

fn is_software(driver: &Path) -> bool {
    driver.parent().is_some_and(|folder| folder.ends_with("softgpu"))
}

/// What a client brings, held to its limits.
fn checked_hello(body: &[u8]) -> Result<Hello, Refusal> {
    let hello: Hello = codec::decode(body)?;
    let ours = call::fingerprint();
    if hello.table != ours {
        return Err(Refusal::OtherTable { ours, theirs: hello.table });
    }
    let at_most = |what, got: usize, max: usize| match got > max {
        true => Err(Refusal::TooMuch { what, got: got as u64, max: max as u64 }),
        false => Ok(()),
    };
    at_most("variables", hello.variables.len(), VARIABLES_MAX)?;
    at_most("free ranges", hello.free_ranges.len(), FREE_RANGES_MAX)?;
    for (_, value) in &hello.variables {
        at_most("bytes of a variable", value.len(), VARIABLE_BYTES_MAX)?;
        if value.contains('\0') {
            return Err(Refusal::BadName);
        }
    }
    let lies_in_a_process =
        |range: &Range| range.address.checked_add(range.bytes).is_some_and(|end| end <= ADDRESSES_END);
    match hello.free_ranges.iter().find(|range| range.bytes == 0 || !lies_in_a_process(range)) {
        Some(Range { address, bytes }) => Err(Refusal::OutOfRange { address: *address, bytes: *bytes }),
        None => Ok(hello),
    }
}

/// Only names of the fixed list are set, before the driver is loaded and while there is no other thread that reads them.
#[allow(unsafe_code)] // changes the environment
fn set_variables(variables: &[(String, String)], meter: Option<RawFd>) {
    for (name, value) in variables.iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str())) {
        // SAFETY: the keeper thread reads no variable.
        unsafe { std::env::set_var(name, value) };
    }
    if let Some(meter) = meter {
        // SAFETY: as above.
        unsafe { std::env::set_var(meter::VARIABLE, meter.to_string()) };
    }
    // SAFETY: as above.
    unsafe { std::env::set_var("CUDA_DEVICE_MAX_CONNECTIONS", MAX_CONNECTIONS) };
}

/// Acknowledges, keeps alive and lets a new connection in while a call keeps the executor busy: a compilation, or an answer for
/// which there is no room before the client, who has lost its connection, acknowledges earlier ones.
fn keep(door: Arc<Door>) {
    let life = move || {
        loop {
            std::thread::sleep(KEEPER_INTERVAL);
            // Where the executor's thread sleeps at the door, it is looked after.
            if let Ok(mut port) = door.port.try_lock()
                && let Err(over) = door.attend(&mut port)
            {
                drop(port);
                door.leave(Err(over.into()));
            }
            // An error is found again by the thread that serves.
            let _ = door.outlet.drive();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("keeper".into()).spawn(life) {
        tracing::warn!(%error, "no keeper: a long call may look like silence");
    }
}

fn poll(fds: &[RawFd], timeout: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec};
    #[allow(unsafe_code)] // borrows descriptors by number
    // SAFETY: the descriptors belong to port and outlet, which outlive this call.
    let borrowed: Vec<_> = fds.iter().map(|fd| unsafe { std::os::fd::BorrowedFd::borrow_raw(*fd) }).collect();
    let mut polled: Vec<PollFd> = borrowed.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    // A signal wakes it as well as anything.
    let _ = rustix::event::poll(&mut polled, Some(&timeout));
}
