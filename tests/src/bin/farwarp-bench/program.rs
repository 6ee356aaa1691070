//! The program that is measured: a process of its own that opens a libcuda.so.1 as any program does, and does one task at a time as it
//! is told on standard input. It knows nothing of farwarp.
#![allow(unsafe_code)] // calls a libcuda by the signatures of cuda.h

use std::ffi::{CString, c_char, c_void};
use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use libloading::Library;

use crate::percentiles;
use crate::task::Task;

type Code = i32;
type Handle = u64;

/// A call that did not succeed, by its name.
pub struct Refused {
    function: &'static str,
    code: Code,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Self::WRONG_RESULT => write!(f, "{} gave a wrong result", self.function),
            code => write!(f, "{} returned {code}", self.function),
        }
    }
}

impl Refused {
    /// No CUresult.
    const WRONG_RESULT: Code = -1;
}

macro_rules! driver {
    ($(fn $name:ident = $symbol:literal ($($arg:ident: $kind:ty),* $(,)?);)*) => {
        /// The functions that the tasks call.
        struct Driver {
            $($name: unsafe extern "C" fn($($kind),*) -> Code,)*
        }

        impl Driver {
            fn open(path: &Path) -> Result<Driver, libloading::Error> {
                // SAFETY: a libcuda.so.1, whose functions have the signatures of cuda.h. It stays open as long as the process.
                unsafe {
                    let library: &'static Library = Box::leak(Box::new(Library::new(path)?));
                    Ok(Driver { $($name: *library.get($symbol)?,)* })
                }
            }

            $(
                /// # Safety
                /// Each pointer points to what the function reads or writes.
                #[allow(clippy::too_many_arguments)]
                unsafe fn $name(&self, $($arg: $kind),*) -> Result<(), Refused> {
                    // SAFETY: the caller's promise.
                    match unsafe { (self.$name)($($arg),*) } {
                        0 => Ok(()),
                        code => Err(Refused { function: stringify!($name), code }),
                    }
                }
            )*
        }
    };
}

driver! {
    fn init = "cuInit"(flags: u32);
    fn retain = "cuDevicePrimaryCtxRetain"(context: *mut Handle, device: i32);
    fn set_current = "cuCtxSetCurrent"(context: Handle);
    fn synchronize = "cuCtxSynchronize"();
    fn memory_info = "cuMemGetInfo_v2"(free: *mut usize, total: *mut usize);
    fn allocate = "cuMemAlloc_v2"(address: *mut u64, bytes: usize);
    fn copy_up = "cuMemcpyHtoD_v2"(to: u64, from: *const c_void, bytes: usize);
    fn copy_down = "cuMemcpyDtoH_v2"(to: *mut c_void, from: u64, bytes: usize);
    fn fill = "cuMemsetD32Async"(to: u64, value: u32, count: usize, stream: Handle);
    fn event_create = "cuEventCreate"(event: *mut Handle, flags: u32);
    fn event_record = "cuEventRecord"(event: Handle, stream: Handle);
    fn load = "cuModuleLoadData"(module: *mut Handle, image: *const c_void);
    fn unload = "cuModuleUnload"(module: Handle);
    fn function = "cuModuleGetFunction"(function: *mut Handle, module: Handle, name: *const c_char);
    fn launch = "cuLaunchKernel"(
        function: Handle, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32, shared_bytes: u32,
        stream: Handle, params: *mut *mut c_void, extra: *mut *mut c_void,
    );
}

/// `plain` and `wide` do nothing and differ in their parameters; `lanes` computes, LOOP_INSTRUCTIONS a turn.
const MODULE: &str = include_str!("kernels.ptx");
const LOOP_INSTRUCTIONS: u64 = 19;
const LOOP_PAIRS: u32 = 8;
const LANES_BLOCKS: u32 = 32;
const LANES_THREADS: u32 = 256;
/// 116 bytes of parameters make a record of 200 bytes.
const WIDE_PARAM_BYTES: usize = 116;
/// The size of the module whose load is measured, and how much of the device the tasks use.
const MODULE_BYTES: usize = 10 << 20;
const DEVICE_BYTES: usize = 256 << 20;
/// Told calls between two synchronisations when the program's own thread is measured: few enough that the log never fills.
const BURST: usize = 1000;
const BURST_LAUNCHES: usize = 50;

/// Takes tasks until standard input ends.
pub fn main(library: &Path) -> anyhow::Result<()> {
    let driver = Driver::open(library)?;
    let mut program = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let task = Task::parse(&line).ok_or_else(|| anyhow::anyhow!("{line:?} is no task"))?;
        let outcome = match (task, &mut program) {
            (Task::First, None) => Program::first(&driver).map(|(begun, figures)| {
                program = Some(begun);
                figures
            }),
            (_, None) => Err(Refused { function: "a task before the first", code: 0 }),
            (task, Some(program)) => program.perform(task),
        };
        match outcome {
            Ok(figures) => {
                let figures: Vec<String> = figures.iter().map(f64::to_string).collect();
                println!("ok {}", figures.join(" "));
            }
            Err(refused) => println!("error {refused}"),
        }
        io::stdout().flush()?;
    }
    Ok(())
}

struct Program<'a> {
    driver: &'a Driver,
    plain: Handle,
    wide: Handle,
    lanes: Handle,
    event: Handle,
    memory: u64,
    host: Vec<u8>,
    images: u64,
}

impl<'a> Program<'a> {
    /// From cuInit to the first kernel's result: milliseconds of cuInit, and of what follows.
    fn first(driver: &'a Driver) -> Result<(Self, Vec<f64>), Refused> {
        let began = Instant::now();
        let (mut context, mut module, mut memory, mut event, mut result) = (0, 0, 0, 0, 0u32);
        // SAFETY: every place to write is a local of the right type, the image ends with a NUL.
        let (program, connected, done) = unsafe {
            driver.init(0)?;
            let connected = Instant::now();
            driver.retain(&mut context, 0)?;
            driver.set_current(context)?;
            let image = CString::new(MODULE).expect("PTX holds no NUL");
            driver.load(&mut module, image.as_ptr().cast())?;
            let function = |name: &str| {
                let (mut function, name) = (0, CString::new(name).expect("a name holds no NUL"));
                driver.function(&mut function, module, name.as_ptr()).map(|()| function)
            };
            let [plain, wide, lanes] = [function("plain")?, function("wide")?, function("lanes")?];
            driver.allocate(&mut memory, DEVICE_BYTES)?;
            let mut program =
                Program { driver, plain, wide, lanes, event, memory, host: Vec::new(), images: 0 };
            program.launch_plain()?;
            driver.copy_down((&raw mut result).cast(), memory, size_of_val(&result))?;
            let done = Instant::now();
            driver.event_create(&mut event, 0)?;
            program.event = event;
            (program, connected, done)
        };
        Ok((program, vec![ms(connected - began), ms(done - connected)]))
    }

    fn perform(&mut self, task: Task) -> Result<Vec<f64>, Refused> {
        match task {
            Task::First => Err(Refused { function: "the first task, again", code: 0 }),
            Task::MemoryInfo(count) => self.latency(count, Self::memory_info),
            Task::SmallRead(count) => self.latency(count, Self::small_read),
            Task::FiftyAndRead(count) => self.latency(count, |program| {
                (0..BURST_LAUNCHES).try_for_each(|_| program.launch_plain())?;
                program.small_read()
            }),
            Task::ToldLaunch(bursts) => self.told(bursts, Self::launch_plain),
            Task::ToldRecord(bursts) => self.told(bursts, Self::record),
            Task::ToldFill(bursts) => self.told(bursts, Self::fill),
            Task::Launches(count) => self.rate(count, Self::launch_plain),
            Task::WideLaunches(count) => self.rate(count, Self::launch_wide),
            Task::CopyUp(bytes) => self.copy_up(bytes),
            Task::CopyDown(bytes) => self.copy_down(bytes),
            Task::Module => self.module(),
            Task::Lanes(turns) => self.lanes(turns),
        }
    }

    /// Median and 99th percentile, in microseconds.
    fn latency(&mut self, count: usize, call: fn(&Self) -> Result<(), Refused>) -> Result<Vec<f64>, Refused> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            call(self)?;
            times.push(began.elapsed().as_nanos() as f64 / 1e3);
        }
        let (median, high) = percentiles(times);
        Ok(vec![median, high])
    }

    /// What a told call costs the thread that makes it: the median burst's mean, in nanoseconds.
    fn told(&mut self, bursts: usize, call: fn(&Self) -> Result<(), Refused>) -> Result<Vec<f64>, Refused> {
        let mut means = Vec::with_capacity(bursts);
        for _ in 0..bursts {
            let began = Instant::now();
            (0..BURST).try_for_each(|_| call(self))?;
            means.push(began.elapsed().as_nanos() as f64 / BURST as f64);
            self.synchronize()?;
        }
        Ok(vec![percentiles(means).0])
    }

    /// Calls a second, until the last has been executed.
    fn rate(&mut self, count: usize, call: fn(&Self) -> Result<(), Refused>) -> Result<Vec<f64>, Refused> {
        let began = Instant::now();
        (0..count).try_for_each(|_| call(self))?;
        self.synchronize()?;
        Ok(vec![count as f64 / began.elapsed().as_secs_f64()])
    }

    fn copy_up(&mut self, bytes: usize) -> Result<Vec<f64>, Refused> {
        self.host.resize(DEVICE_BYTES, 1);
        let began = Instant::now();
        // SAFETY: `host` and the device's memory are DEVICE_BYTES long, which is the most that is asked for.
        unsafe { self.driver.copy_up(self.memory, self.host.as_ptr().cast(), bytes.min(DEVICE_BYTES))? };
        self.synchronize()?;
        Ok(vec![bytes as f64 / began.elapsed().as_nanos() as f64])
    }

    fn copy_down(&mut self, bytes: usize) -> Result<Vec<f64>, Refused> {
        self.host.resize(DEVICE_BYTES, 1);
        let began = Instant::now();
        // SAFETY: as above.
        unsafe {
            self.driver.copy_down(self.host.as_mut_ptr().cast(), self.memory, bytes.min(DEVICE_BYTES))?
        };
        Ok(vec![bytes as f64 / began.elapsed().as_nanos() as f64])
    }

    /// Milliseconds to load a large image that nobody has seen, and the same again.
    fn module(&mut self) -> Result<Vec<f64>, Refused> {
        self.images += 1;
        let mut image =
            format!("{MODULE}\n// {}, of process {}\n", self.images, std::process::id()).into_bytes();
        while image.len() < MODULE_BYTES {
            // Text that no compression makes vanish.
            image.extend_from_slice(
                format!("// {:016x}\n", mixed(image.len() as u64 ^ self.images << 32)).as_bytes(),
            );
        }
        let image = CString::new(image).expect("PTX holds no NUL");
        let load = || {
            let (mut module, began) = (0, Instant::now());
            // SAFETY: the image ends with a NUL; the module is the one just loaded.
            unsafe {
                self.driver.load(&mut module, image.as_ptr().cast())?;
                let took = ms(began.elapsed());
                self.driver.unload(module)?;
                Ok(took)
            }
        };
        Ok(vec![load()?, load()?])
    }

    /// Operations of lanes a second, counted by the kernel's own instructions; its result is checked.
    fn lanes(&mut self, turns: usize) -> Result<Vec<f64>, Refused> {
        let mut turns = turns as u32;
        let mut params = [(&raw mut self.memory).cast::<c_void>(), (&raw mut turns).cast()];
        let mut sums = vec![0u32; (LANES_BLOCKS * LANES_THREADS) as usize];
        let began = Instant::now();
        // SAFETY: `lanes` takes an address and a number; it writes one word for each of its threads, which is what is read.
        let took = unsafe {
            let (driver, none) = (self.driver, std::ptr::null_mut());
            driver.launch(
                self.lanes,
                LANES_BLOCKS,
                1,
                1,
                LANES_THREADS,
                1,
                1,
                0,
                0,
                params.as_mut_ptr(),
                none,
            )?;
            driver.synchronize()?;
            let took = began.elapsed();
            driver.copy_down(sums.as_mut_ptr().cast(), self.memory, size_of_val(&sums[..]))?;
            took
        };
        match sums.iter().enumerate().all(|(lane, sum)| *sum == lane_result(lane as u32, turns)) {
            true => {
                let operations = LOOP_INSTRUCTIONS * u64::from(turns) * sums.len() as u64;
                Ok(vec![operations as f64 / took.as_secs_f64()])
            }
            false => Err(Refused { function: "the kernel `lanes`", code: Refused::WRONG_RESULT }),
        }
    }

    fn memory_info(&self) -> Result<(), Refused> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: two writable numbers.
        unsafe { self.driver.memory_info(&mut free, &mut total) }
    }

    fn small_read(&self) -> Result<(), Refused> {
        let mut word = 0u32;
        // SAFETY: four writable bytes.
        unsafe { self.driver.copy_down((&raw mut word).cast(), self.memory, size_of_val(&word)) }
    }

    fn launch_plain(&self) -> Result<(), Refused> {
        let (mut a, mut b, mut count) = (self.memory, self.memory, 1u32);
        let mut params = [(&raw mut a).cast::<c_void>(), (&raw mut b).cast(), (&raw mut count).cast()];
        // SAFETY: `plain` takes two addresses and a number.
        unsafe {
            self.driver.launch(self.plain, 1, 1, 1, 32, 1, 1, 0, 0, params.as_mut_ptr(), std::ptr::null_mut())
        }
    }

    fn launch_wide(&self) -> Result<(), Refused> {
        let mut wide = [0u8; WIDE_PARAM_BYTES];
        let mut params = [wide.as_mut_ptr().cast::<c_void>()];
        // SAFETY: `wide` takes one parameter of that size.
        unsafe {
            self.driver.launch(self.wide, 1, 1, 1, 32, 1, 1, 0, 0, params.as_mut_ptr(), std::ptr::null_mut())
        }
    }

    fn record(&self) -> Result<(), Refused> {
        // SAFETY: takes two handles.
        unsafe { self.driver.event_record(self.event, 0) }
    }

    fn fill(&self) -> Result<(), Refused> {
        // SAFETY: within this program's memory.
        unsafe { self.driver.fill(self.memory, 7, 4, 0) }
    }

    fn synchronize(&self) -> Result<(), Refused> {
        // SAFETY: takes nothing.
        unsafe { self.driver.synchronize() }
    }
}

/// What `lanes` computes.
fn lane_result(lane: u32, turns: u32) -> u32 {
    let (mut x, mut y) = (lane, 0);
    for _ in 0..turns * LOOP_PAIRS {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        y ^= x;
    }
    y
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 29
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}
