//! The gate: listens, authenticates, admits, starts and supervises workers, and ends when its time is over.
//!
//! It never loads libcuda and never looks into a session. One thread; whatever blocks is in the workers.

mod control;
mod door;
mod handoff;
mod lifetime;
mod meter;
mod offers;
mod processes;
mod progress;
mod readiness;
mod routes;
mod sessions;
mod supervisor;
mod tickets;
mod words;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use farwarp_link::keys::{self, KeyPair};
use farwarp_link::quic::settings;
use farwarp_link::tls;
use farwarp_protocol::admission::{
    Admission, Answer, ClientInfo, PROGRAM_BYTES_MAX, Refusal, ServerStatus, TAG_BYTES, close,
};
use farwarp_protocol::handoff::{JailLayer, Start};
use farwarp_protocol::ticket::{Secret, Ticket};
use quinn::{Endpoint, ServerConfig, TokioRuntime, VarInt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore};

use crate::driver_choice::{Driver, DriverKind};
use crate::quota::Quota;
use door::Unproven;
use handoff::HandOffSocket;
pub use lifetime::Ended;
use lifetime::Lifetime;
use meter::Taken;
use offers::Offers;
pub use processes::apart;
use progress::Progress;
use routes::Routes;
use sessions::{Session, Sessions, first_cid, printable};
use supervisor::Supervisor;
use tickets::Tickets;
pub use workers::WorkerCommand;

/// All workers are told, given a second, and killed; then the gate goes without waiting longer.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Handshakes that quinn keeps before `door` has looked at them.
const INCOMING_MAX: usize = 256;
/// What clients may send before their handshake is looked at.
const INCOMING_BYTES_MAX: u64 = 16 << 10;

/// What a gate is made with.
pub struct Config {
    pub listen: SocketAddr,
    /// `HOST:PORT` as clients reach it, where that is not the address listened on.
    pub advertise: Option<String>,
    pub keys: KeyPair,
    pub secret: Secret,
    /// Fingerprint of the table of driver functions that the workers serve.
    pub table: u64,
    pub driver: Driver,
    pub ttl: Option<Duration>,
    pub idle: Option<Duration>,
    pub resume_grace: Duration,
    pub sessions_max: usize,
    pub worker: WorkerCommand,
    pub quota: Quota,
    /// Whether workers are jailed; always, but where somebody looks for a fault.
    pub jailed: bool,
    /// Touched at each renewal.
    pub renewed_file: Option<PathBuf>,
}

pub struct Gate {
    endpoint: Endpoint,
    ticket: Ticket,
    shared: Arc<Shared>,
}

/// What the gate's tasks share. They run on one thread, so no lock is ever waited for.
struct Shared {
    config: Config,
    routes: Arc<Routes>,
    sessions: Mutex<Sessions>,
    unproven: Unproven,
    tickets: Mutex<Tickets>,
    controls: Arc<Semaphore>,
    offers: Mutex<Offers>,
    /// Device memory of the software GPU that sessions have.
    taken: Mutex<Taken>,
    lifetime: Mutex<Lifetime>,
    /// The lifetime or the number of sessions has changed.
    changed: Notify,
    born: Instant,
    jail_said: AtomicBool,
}

impl Gate {
    /// Listens; from now on the ticket is good. Must be called within a tokio runtime.
    pub fn bind(config: Config) -> io::Result<Self> {
        let routes = Arc::new(Routes::default());
        let socket = HandOffSocket::bind(config.listen, routes.clone())?;
        let socket: Arc<dyn quinn::AsyncUdpSocket> = Arc::new(socket);
        let address = socket.local_addr()?;

        let mut server = ServerConfig::with_crypto(tls::server(&config.keys));
        server
            .transport_config(settings::transport(settings::SILENCE_MAX, 1))
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BYTES_MAX);
        let endpoint_config = settings::endpoint(&keys::random());
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new_with_abstract_socket(endpoint_config, Some(server), socket, runtime)?;

        let ticket = Ticket {
            address: config.advertise.clone().unwrap_or_else(|| address.to_string()),
            key: config.keys.pin(),
            secret: config.secret.clone(),
        };
        let now = Instant::now();
        let lifetime = Lifetime::new(config.ttl, config.idle, now);
        let shared = Shared {
            config,
            routes,
            sessions: Mutex::default(),
            unproven: Unproven::default(),
            tickets: Mutex::new(Tickets::of_owner(ticket.secret.clone())),
            controls: door::control_permits(),
            offers: Mutex::default(),
            taken: Mutex::default(),
            lifetime: Mutex::new(lifetime),
            changed: Notify::new(),
            born: now,
            jail_said: AtomicBool::new(false),
        };
        Ok(Self { endpoint, ticket, shared: Arc::new(shared) })
    }

    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Serves until its time is over, it is told to end, or a signal comes; then ends every session.
    pub async fn serve(self) -> io::Result<Ended> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let ended = loop {
            let (verdict, next) = {
                let life = self.shared.lifetime();
                (life.verdict(Instant::now()), life.next())
            };
            if let Some(ended) = verdict {
                break ended;
            }
            tokio::select! {
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => door::knock(&self.shared, incoming),
                    None => return Err(io::Error::other("the socket was lost")),
                },
                () = sleep_until(next) => {}
                () = self.shared.changed.notified() => {}
                _ = terminate.recv() => self.shared.lifetime().end(Ended::Signal),
                _ = interrupt.recv() => self.shared.lifetime().end(Ended::Signal),
            }
        };
        tracing::info!(why = ended.reason(), "ending");
        self.end(&ended).await;
        Ok(ended)
    }

    async fn end(&self, ended: &Ended) {
        self.shared.lifetime().end(ended.clone());
        self.shared.sessions().end_all();
        let all_ended = async {
            while !self.shared.sessions().is_empty() {
                self.shared.changed.notified().await;
            }
        };
        if tokio::time::timeout(END_TIMEOUT, all_ended).await.is_err() {
            tracing::warn!("a worker does not end; it dies with this process");
        }
        self.endpoint.close(VarInt::from_u32(close::ENDED), ended.reason().as_bytes());
        // Its farewell leaves now; nobody's answer is waited for.
        let _ = tokio::time::timeout(Duration::from_millis(100), self.endpoint.wait_idle()).await;
    }
}

/// Counts a session's device memory as long as there is somebody who asks.
async fn count_memory(shared: Arc<Shared>, session: u64, ours: OwnedFd) {
    if let Err(error) = meter::serve(shared, ours).await {
        tracing::warn!(session, %error, "its device memory is no longer counted, and it gets no more");
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lifetime(&self) -> MutexGuard<'_, Lifetime> {
        self.lifetime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watchdog beside the server sees by this file that somebody still pays for the machine.
    fn note_renewal(&self) {
        if let Some(file) = &self.config.renewed_file
            && let Err(error) = std::fs::write(file, b"\n")
        {
            tracing::warn!("{}: {error}", file.display());
        }
    }

    fn change_lifetime(&self, change: impl FnOnce(&mut Lifetime)) {
        change(&mut self.lifetime());
        self.changed.notify_one();
    }

    /// A new session: its keys, its worker, its route.
    fn admit(self: &Arc<Self>, mut client: ClientInfo, ticket: &str) -> Answer {
        let now = Instant::now();
        if client.table != self.config.table {
            return Answer::Refused(Refusal::OtherTable { gate: self.config.table });
        }
        if client.program.len() > PROGRAM_BYTES_MAX {
            return Answer::Refused(Refusal::Malformed);
        }
        if self.lifetime().is_ending(now) {
            return Answer::Refused(Refusal::ShuttingDown);
        }
        if self.sessions().len() >= self.config.sessions_max {
            return Answer::Refused(Refusal::Full { sessions: self.config.sessions_max as u32 });
        }
        let most = self.config.quota.sessions_of_a_ticket;
        if self.sessions().of_ticket(ticket) >= most {
            return Answer::Refused(Refusal::TicketFull { sessions: most as u32 });
        }
        // The boot id is compared and dropped; it need not be shown to whoever asks for the status.
        let program = printable(&std::mem::take(&mut client.program));
        let shown = ClientInfo { program: program.clone(), pid: client.pid, ..ClientInfo::default() };
        match self.start_session(&client, shown, ticket, now) {
            Ok(admission) => {
                tracing::info!(session = admission.session, pid = client.pid, program, ticket, "admitted");
                Answer::Admitted(admission)
            }
            Err(error) => {
                tracing::error!(%error, "a worker could not be started");
                Answer::Refused(Refusal::WorkerFailed { why: error.to_string() })
            }
        }
    }

    fn start_session(
        self: &Arc<Self>,
        client: &ClientInfo,
        shown: ClientInfo,
        ticket: &str,
        now: Instant,
    ) -> io::Result<Admission> {
        let (pair, tag, key, reset_key) =
            (KeyPair::generate(), keys::random::<TAG_BYTES>(), keys::random(), keys::random());
        let silence = settings::silence_for(self.config.resume_grace);
        let id = self.sessions().next_id();
        let start = Start {
            session: id,
            tag,
            key,
            reset_key,
            worker_key: pair.pkcs8().to_vec(),
            resume_grace_ms: self.config.resume_grace.as_millis() as u64,
            silence_ms: silence.as_millis() as u64,
            driver: self.config.driver.path.to_string_lossy().into_owned(),
            nvidia: self.config.driver.kind == DriverKind::Nvidia,
            jailed: self.config.jailed,
            device_bytes_max: self.config.quota.device_bytes,
        };
        let pair_of_meter = match self.config.driver.kind {
            DriverKind::SoftwareGpu => Some(meter::pair()?),
            DriverKind::Nvidia | DriverKind::Other => None,
        };
        let (ours, theirs) = pair_of_meter.unzip();
        let (mut child, channel) = self.config.worker.start(start, theirs)?;
        if let Some(log) = child.stderr.take() {
            tokio::spawn(words::pass_on(log, id));
        }
        let to_worker = std::os::fd::AsFd::as_fd(&channel).try_clone_to_owned()?;
        let end = Arc::new(Notify::new());
        let supervisor = Supervisor::new(self.clone(), id, child, channel, client, end.clone())?;

        self.routes.open(tag, to_worker, reset_key, now);
        let worker_key = pair.pin().0;
        let session = Session {
            client: shown,
            ticket: ticket.to_owned(),
            tag,
            worker_key,
            connected: false,
            calls: 0,
            device_bytes: 0,
            moved: (0, 0),
            last_call: now,
            progress: Progress::new(now),
            end_why: None,
            end,
        };
        self.sessions().insert(id, session);
        self.sessions_changed(now);
        tokio::spawn(supervisor.run());
        if let Some(ours) = ours {
            tokio::spawn(count_memory(self.clone(), id, ours));
        }
        Ok(self.admission(id, tag, key, worker_key))
    }

    /// The way back to a session that lives. The client has its key already, and proves it to the worker.
    fn lead_back(&self, id: u64, ticket: &str) -> Answer {
        let sessions = self.sessions();
        match sessions.get(id).filter(|session| session.ticket == ticket) {
            Some(session) => Answer::Admitted(self.admission(id, session.tag, [0; 32], session.worker_key)),
            None => {
                Answer::Refused(Refusal::SessionGone { session: id, why: sessions.why_ended(id, ticket) })
            }
        }
    }

    fn admission(&self, session: u64, tag: routes::Tag, key: [u8; 32], worker_key: [u8; 32]) -> Admission {
        Admission {
            session,
            key,
            worker_key,
            first_cid: first_cid(tag),
            resume_grace_ms: self.config.resume_grace.as_millis() as u64,
            silence_ms: settings::silence_for(self.config.resume_grace).as_millis() as u64,
            server: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// What a jail lacks on this machine is said once; it is the same for every worker.
    fn note_jail(&self, session: u64, layers: &[JailLayer]) {
        for JailLayer { name, holds, words } in layers {
            tracing::info!(session, layer = printable(name), holds, words = printable(words), "jail");
        }
        let lacks = layers.iter().filter(|layer| !layer.holds);
        let lacks: Vec<String> = lacks.map(|layer| format!("{} ({})", layer.name, layer.words)).collect();
        if !lacks.is_empty() && !self.jail_said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                lacks = printable(&lacks.join("; ")),
                "the workers' jail lacks a layer on this machine"
            );
        }
    }

    fn session_ended(&self, id: u64, why: &str) {
        tracing::info!(session = id, why, "ended");
        self.offers().session_ended(id);
        let session = self.sessions().end(id, why);
        if let Some(session) = session {
            self.routes.end(session.tag);
        }
        self.sessions_changed(Instant::now());
    }

    fn sessions_changed(&self, now: Instant) {
        let count = self.sessions().len();
        self.change_lifetime(|life| life.sessions(count, now));
    }

    fn ending_reason(&self) -> &'static str {
        self.lifetime().verdict(Instant::now()).map_or("the server ends this session", |ended| ended.reason())
    }

    fn status(&self, now: Instant) -> ServerStatus {
        let sessions = self.sessions();
        let since = |when: Instant| now.saturating_duration_since(when).as_millis() as u64;
        ServerStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            driver: self.config.driver.path.to_string_lossy().into_owned(),
            driver_kind: self.config.driver.kind.to_string(),
            uptime_ms: since(self.born),
            ttl_left_ms: self.lifetime().ttl_left(now).map(|left| left.as_millis() as u64),
            quiet_ms: since(sessions.last_call().unwrap_or(self.born)),
            bytes_up: sessions.moved().0,
            bytes_down: sessions.moved().1,
            sessions: sessions.status(now),
        }
    }
}
