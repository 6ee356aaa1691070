//! One connection to the gate: it proves the ticket's secret, says what it wants, and is answered.
//!
//! Until the proof is checked nothing is kept for it but the connection itself, of which there is a limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farwarp_link::keys;
use farwarp_protocol::admission::{
    Answer, EXPORTER_LABEL, GATE_CONTEXT, OPENING_BYTES_MAX, Opening, Refusal, Wish, close,
};
use farwarp_protocol::codec::{self, Decode, Encode};
use quinn::{Connection, Incoming, RecvStream, SendStream, VarInt};
use tokio::time::timeout;

use super::Shared;
use super::tickets::Prover;

/// Connections that have proven nothing yet. Each holds a handshake's state, some 50 KiB.
const UNPROVEN_MAX: usize = 256;
/// With more of them, a new one must first show that its address is its own (a QUIC Retry).
const UNPROVEN_WITHOUT_RETRY: usize = 32;
/// From one address.
const UNPROVEN_PER_ADDRESS_MAX: usize = 64;
/// From the first datagram to a complete opening.
const OPENING_TIMEOUT: Duration = Duration::from_secs(5);
/// For the peer to read its answer and close.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(3);
/// Those who hold a ticket, and only watch.
const CONTROLS_MAX: usize = 64;

/// Counts those that have proven nothing.
#[derive(Default)]
pub struct Unproven(Mutex<HashMap<IpAddr, usize>>);

/// One of them; it stops counting when it is dropped.
pub struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.shared.unproven.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Lets an incoming connection in, makes it prove its address, or turns it away.
pub fn knock(shared: &Arc<Shared>, incoming: Incoming) {
    // Its client came for a worker that has died meanwhile, and asks us next what became of it.
    if shared.routes.is_ended(&incoming.orig_dst_cid()) {
        return incoming.refuse();
    }
    let address = incoming.remote_address().ip();
    let (total, here) = {
        let counts = shared.unproven.0.lock().unwrap_or_else(PoisonError::into_inner);
        (counts.values().sum::<usize>(), counts.get(&address).copied().unwrap_or(0))
    };
    if total >= UNPROVEN_MAX || here >= UNPROVEN_PER_ADDRESS_MAX {
        return incoming.refuse();
    }
    if total >= UNPROVEN_WITHOUT_RETRY && !incoming.remote_address_validated() {
        // One that cannot be told to retry has done so already.
        if let Err(error) = incoming.retry() {
            error.into_incoming().refuse();
        }
        return;
    }
    *shared.unproven.0.lock().unwrap_or_else(PoisonError::into_inner).entry(address).or_default() += 1;
    let place = Place { shared: shared.clone(), address };
    let shared = shared.clone();
    tokio::spawn(async move {
        if let Err(why) = enter(&shared, incoming, place).await {
            tracing::info!(%address, why, "a connection was turned away");
        }
    });
}

async fn enter(shared: &Arc<Shared>, incoming: Incoming, place: Place) -> Result<(), String> {
    let opened = timeout(OPENING_TIMEOUT, async {
        let connection = incoming.await.map_err(|error| error.to_string())?;
        let (answers, mut words) = connection.accept_bi().await.map_err(|error| error.to_string())?;
        let opening = hear::<Opening>(&mut words).await?;
        Ok::<_, String>((connection, answers, words, opening))
    });
    let (connection, mut answers, words, opening) =
        opened.await.map_err(|_| "its opening took too long".to_owned())??;
    let entered = match opening {
        None => Err(Refusal::Malformed),
        Some(opening) => match prover(shared, &connection, &opening) {
            Prover::Holder(ticket) => Ok((opening.wish, ticket)),
            Prover::Revoked => Err(Refusal::Revoked),
            Prover::Nobody => Err(Refusal::WrongSecret),
        },
    };
    let (wish, ticket) = match entered {
        Ok(entered) => entered,
        Err(refusal) => {
            let why = format!("{refusal:?}");
            say(&mut answers, &Answer::Refused(refusal)).await?;
            farewell(connection, answers, close::NOT_PROVEN).await;
            return Err(why);
        }
    };
    drop(place);
    serve(shared, connection, answers, words, wish, ticket).await
}

/// What one that has proven a ticket's secret wants.
async fn serve(
    shared: &Arc<Shared>,
    connection: Connection,
    mut answers: SendStream,
    words: RecvStream,
    wish: Wish,
    ticket: String,
) -> Result<(), String> {
    let answer = match wish {
        Wish::Session(client) => shared.admit(client, &ticket),
        Wish::Resume { session } => shared.lead_back(session, &ticket),
        Wish::Control => match shared.controls.clone().try_acquire_owned() {
            Ok(_permit) => {
                say(&mut answers, &Answer::Control).await?;
                return super::control::serve(shared, answers, words, &ticket).await;
            }
            Err(_) => Answer::Refused(Refusal::Full { sessions: CONTROLS_MAX as u32 }),
        },
    };
    say(&mut answers, &answer).await?;
    farewell(connection, answers, close::DONE).await;
    match answer {
        Answer::Refused(refusal) => Err(format!("{refusal:?}")),
        _ => Ok(()),
    }
}

fn prover(shared: &Shared, connection: &Connection, opening: &Opening) -> Prover {
    let mut exported = keys::Exported::default();
    match connection.export_keying_material(&mut exported, EXPORTER_LABEL, GATE_CONTEXT) {
        Ok(()) => shared.tickets().prover(&exported, &opening.proof),
        Err(_) => Prover::Nobody,
    }
}

/// One frame. `Ok(None)` if it is none that we understand.
pub async fn hear<T: Decode<()>>(words: &mut RecvStream) -> Result<Option<T>, String> {
    let mut length = [0; 4];
    words.read_exact(&mut length).await.map_err(|error| error.to_string())?;
    let length = u32::from_le_bytes(length) as usize;
    if length > OPENING_BYTES_MAX {
        return Ok(None);
    }
    let mut body = vec![0; length];
    words.read_exact(&mut body).await.map_err(|error| error.to_string())?;
    Ok(codec::decode(&body).ok())
}

pub async fn say<T: Encode>(answers: &mut SendStream, message: &T) -> Result<(), String> {
    let body = codec::encode(message);
    let mut frame = u32::try_from(body.len()).expect("an answer is far below 4 GiB").to_le_bytes().to_vec();
    frame.extend_from_slice(&body);
    match timeout(FAREWELL_TIMEOUT, answers.write_all(&frame)).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err("it does not read its answer".into()),
    }
}

/// A close overtakes what was written, so the peer closes first; one that does not is closed.
async fn farewell(connection: Connection, mut answers: SendStream, code: u32) {
    let _already_gone = answers.finish();
    let _late = timeout(FAREWELL_TIMEOUT, connection.closed()).await;
    connection.close(VarInt::from_u32(code), b"");
}

pub fn control_permits() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(CONTROLS_MAX))
}
