//! What is rented, on disk before it is rented: one file a lease, written anew as a whole, and a line in the history at its end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use farwarp_link::identity::Identity;

use crate::clock::Moment;
use crate::config::Budget;
use crate::cost::Meter;
use crate::lease::{Rules, State};
use crate::only_one::OnlyOne;
use crate::provider::{Offer, Order, Owner, RemoteId};
use crate::ranking::Failure;

/// Hexadecimal digits of an owner and of a lease's id.
const ID_DIGITS: usize = 12;

/// All that is needed to go on with a lease after any interruption. It holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub provider: String,
    /// The GPU that was asked for.
    pub gpu: Option<String>,
    /// The table of driver functions that its server has.
    #[serde(default)]
    pub table: u64,
    pub offer: Offer,
    pub order: Order,
    pub rules: Rules,
    pub state: State,
    pub meter: Meter,
    /// Up to when the meter has counted.
    pub metered: Moment,
    /// Milliseconds since 1970.
    pub opened_wall_ms: u64,
    pub closed_wall_ms: Option<u64>,
    /// Every machine that was ever known to be this lease's.
    #[serde(default)]
    pub remotes: Vec<RemoteId>,
    /// Its server has answered.
    #[serde(default)]
    pub served: bool,
    /// Why it never did, where nobody had ended it.
    #[serde(default)]
    pub failure: Option<Failure>,
    #[serde(default = "without_limit")]
    pub budget: Budget,
}

/// A lease of an agent that knew no budgets.
fn without_limit() -> Budget {
    Budget { session: None, day: None, month: None }
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{doing} {path}: {error}", path = path.display())]
    Io { doing: &'static str, path: PathBuf, error: io::Error },
    #[error("another agent keeps the leases in {path}", path = path.display())]
    Locked { path: PathBuf },
    #[error("{path} is no lease of ours: {error}", path = path.display())]
    Malformed { path: PathBuf, error: serde_json::Error },
    #[error("{path} is no identity", path = path.display())]
    NoIdentity { path: PathBuf },
}

/// The leases of one state directory. Whoever has it open for writing is alone.
pub struct Ledger {
    dir: PathBuf,
    /// For what is secret, which the leases' files are not.
    secrets: PathBuf,
    owner: Owner,
    disk: Box<dyn Disk>,
    _lock: OnlyOne,
}

/// The four steps of a durable write, each of which may be the last one before the power goes.
pub trait Disk: Send + Sync {
    fn write_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn append_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

impl Ledger {
    pub fn open(state_dir: &Path) -> Result<Self, LedgerError> {
        Self::open_on(state_dir, Box::new(RealDisk))
    }

    pub fn open_on(state_dir: &Path, disk: Box<dyn Disk>) -> Result<Self, LedgerError> {
        let (dir, secrets) = (state_dir.join("leases"), state_dir.join("tickets"));
        for dir in [&dir, &secrets] {
            fs::create_dir_all(dir).map_err(io_error("make", dir))?;
        }
        let lock = lock(&state_dir.join("ledger.lock"))?;
        let owner = owner(state_dir, disk.as_ref())?;
        Ok(Self { dir, secrets, owner, disk, _lock: lock })
    }

    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// On return, the record survives a power cut. Until then the one before does.
    pub fn write(&self, record: &Record) -> Result<(), LedgerError> {
        let path = self.path(&record.id);
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|error| LedgerError::Malformed { path: path.clone(), error })?;
        replace(self.disk.as_ref(), &path, &bytes)
    }

    /// What a lease's server is to be; the same for as long as the lease is not closed. It is on disk on return, so that an agent
    /// after us can speak with a machine that was rented before.
    pub fn identity(&self, lease: &str) -> Result<Identity, LedgerError> {
        let path = self.identity_path(lease);
        match fs::read_to_string(&path) {
            Ok(text) => text.parse().map_err(|_| LedgerError::NoIdentity { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let identity = Identity::generate();
                replace(self.disk.as_ref(), &path, identity.to_string().as_bytes())?;
                Ok(identity)
            }
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// Moves a lease that is gone into the history. Interrupted, it is done again, and the history may name it twice.
    pub fn close(&self, record: &Record) -> Result<(), LedgerError> {
        let identity = self.identity_path(&record.id);
        self.disk.remove(&identity).map_err(io_error("remove", &identity))?;
        let history = self.history_path();
        let record_text = serde_json::to_string(record)
            .map_err(|error| LedgerError::Malformed { path: history.clone(), error })?;
        // It begins a line of its own even where a power cut left half of one.
        let line = format!("\n{record_text}\n");
        self.disk.append_and_sync(&history, line.as_bytes()).map_err(io_error("append to", &history))?;
        let path = self.path(&record.id);
        self.disk.remove(&path).map_err(io_error("remove", &path))?;
        self.disk.sync_directory(&self.dir).map_err(io_error("sync", &self.dir))
    }

    /// The leases that were not gone when the last agent ended.
    /// What is no lease is put aside: its machine, if there is one, is one that no lease accounts for.
    pub fn unfinished(&self) -> Result<Vec<Record>, LedgerError> {
        loop {
            match read_unfinished(&self.dir) {
                Err(LedgerError::Malformed { path, error }) => {
                    tracing::error!("{} is put aside: {error}", path.display());
                    let aside = path.with_extension("malformed");
                    self.disk.rename(&path, &aside).map_err(io_error("put aside", &path))?;
                }
                read => return read,
            }
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    fn identity_path(&self, lease: &str) -> PathBuf {
        self.secrets.join(format!("{lease}.identity"))
    }

    fn history_path(&self) -> PathBuf {
        self.dir.join("history.jsonl")
    }
}

/// The unfinished leases of a state directory, for those who only look.
pub fn peek(state_dir: &Path) -> Result<Vec<Record>, LedgerError> {
    read_unfinished(&state_dir.join("leases"))
}

/// The finished leases of a state directory, oldest first, each once.
pub fn history(state_dir: &Path) -> Result<Vec<Record>, LedgerError> {
    let path = state_dir.join("leases/history.jsonl");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        read => read.map_err(io_error("read", &path))?,
    };
    let mut records: Vec<Record> = vec![];
    for line in text.lines() {
        // What is no record is the empty line before one, or half of one, which was written again.
        if let Ok(record) = serde_json::from_str::<Record>(line)
            && !records.iter().any(|other| other.id == record.id)
        {
            records.push(record);
        }
    }
    Ok(records)
}

fn read_unfinished(dir: &Path) -> Result<Vec<Record>, LedgerError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        read => read.map_err(io_error("read", dir))?,
    };
    let mut records = vec![];
    for entry in entries {
        let path = entry.map_err(io_error("read", dir))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = fs::read(&path).map_err(io_error("read", &path))?;
            records.push(
                serde_json::from_slice(&bytes).map_err(|error| LedgerError::Malformed { path, error })?,
            );
        }
    }
    records.sort_by(|a: &Record, b| (a.opened_wall_ms, &a.id).cmp(&(b.opened_wall_ms, &b.id)));
    Ok(records)
}

/// The random name of this state directory, made at its first use.
fn owner(state_dir: &Path, disk: &dyn Disk) -> Result<Owner, LedgerError> {
    let path = state_dir.join("owner");
    match fs::read_to_string(&path) {
        Ok(text) if is_id(text.trim()) => return Ok(Owner(text.trim().to_owned())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("read", &path)(error)),
        _ => {}
    }
    let owner = new_id().map_err(io_error("name", &path))?;
    replace(disk, &path, owner.as_bytes())?;
    Ok(Owner(owner))
}

/// Random, and short enough for every provider's field.
pub fn new_id() -> io::Result<String> {
    use io::Read;
    let mut bytes = [0; ID_DIGITS / 2];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn lock(path: &Path) -> Result<OnlyOne, LedgerError> {
    let lock = OnlyOne::take(path).map_err(io_error("lock", path))?;
    let lock = lock.ok_or_else(|| LedgerError::Locked { path: path.to_owned() })?;
    if matches!(lock, OnlyOne::Name { .. }) {
        tracing::warn!(
            path = %path.display(),
            "the file system has no locks: of machines that share this folder only one may run farwarp, or each with a FARWARP_STATE of its own"
        );
    }
    Ok(lock)
}

fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let fresh = path.with_extension("fresh");
    disk.write_and_sync(&fresh, bytes).map_err(io_error("write", &fresh))?;
    disk.rename(&fresh, path).map_err(io_error("replace", path))?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    disk.sync_directory(dir).map_err(io_error("sync", dir))
}

/// The file system.
pub struct RealDisk;

impl Disk for RealDisk {
    fn write_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn append_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |error| LedgerError::Io { doing, path: path.clone(), error }
}
