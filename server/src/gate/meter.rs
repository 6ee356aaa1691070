//! Device memory of the software GPU, counted for all sessions of this gate: what one has, another cannot get.
//!
//! Only where the driver does not count by itself. A worker may lie here as its client likes: it gets no more than its quota, and
//! what it had comes back when its end of the socketpair is gone.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::meter::{Answer, Ask, MESSAGE_BYTES_MAX};
use rustix::io::{Errno, ioctl_fionbio, read, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::Shared;
use super::readiness::watch;

/// More devices than the software GPU can have.
const DEVICES_MAX: u32 = 64;

/// What all sessions together have, by device.
#[derive(Debug, Default)]
pub struct Taken(BTreeMap<u32, u64>);

/// What one session has, by device.
#[derive(Debug, Default)]
struct Held(BTreeMap<u32, u64>);

impl Taken {
    fn answer(&mut self, held: &mut Held, quota_bytes: u64, ask: &Ask) -> Answer {
        let (taken, own) = (self.0.entry(ask.device).or_default(), held.0.entry(ask.device).or_default());
        let given = ask.give_bytes.min(*own);
        (*own, *taken) = (*own - given, *taken - given);
        let all_own: u64 = held.0.values().sum();
        let taken = self.0.entry(ask.device).or_default();
        let left = ask.memory_bytes.saturating_sub(*taken).min(quota_bytes.saturating_sub(all_own));
        let granted = ask.take_bytes <= left;
        if granted {
            *taken += ask.take_bytes;
            *held.0.entry(ask.device).or_default() += ask.take_bytes;
        }
        Answer { granted, free_bytes: if granted { left - ask.take_bytes } else { left } }
    }

    fn session_ended(&mut self, held: &Held) {
        for (device, bytes) in &held.0 {
            if let Some(taken) = self.0.get_mut(device) {
                *taken -= bytes;
            }
        }
    }
}

/// The gate's end, and the worker's, which blocks.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

/// Answers one worker until it is gone, or says what no driver of ours says.
pub async fn serve(shared: Arc<Shared>, ours: OwnedFd) -> io::Result<()> {
    let worker = watch(ours)?;
    let mut held = Held::default();
    let outcome = loop {
        let mut ready = match worker.readable().await {
            Ok(ready) => ready,
            Err(error) => break Err(error),
        };
        let mut message = [0; MESSAGE_BYTES_MAX];
        match read(worker.get_ref(), &mut message) {
            Ok(0) => break Ok(()),
            Ok(length) => {
                let Some(ask) = asked(&message[..length]) else {
                    break Err(io::ErrorKind::InvalidData.into());
                };
                let quota = shared.config.quota.device_bytes;
                let answer = shared.taken().answer(&mut held, quota, &ask);
                // One that asks and does not read has no use for an answer.
                if let Err(error) = write(worker.get_ref(), &encode(&answer)) {
                    break Err(error.into());
                }
            }
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => break Err(error.into()),
        }
        // Whoever asks without a pause does not keep the gate from the others.
        tokio::task::yield_now().await;
    };
    shared.taken().session_ended(&held);
    outcome
}

fn asked(message: &[u8]) -> Option<Ask> {
    decode(message).ok().filter(|ask: &Ask| ask.device < DEVICES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(take_bytes: u64, give_bytes: u64) -> Ask {
        Ask { device: 0, memory_bytes: 100, take_bytes, give_bytes }
    }

    #[test]
    fn what_one_session_has_no_other_gets_until_it_ends() {
        let (mut taken, mut first, mut second) = (Taken::default(), Held::default(), Held::default());
        let got = taken.answer(&mut first, u64::MAX, &ask(60, 0));
        assert_eq!(got, Answer { granted: true, free_bytes: 40 });
        let refused = taken.answer(&mut second, u64::MAX, &ask(41, 0));
        assert_eq!(refused, Answer { granted: false, free_bytes: 40 });
        assert!(taken.answer(&mut second, u64::MAX, &ask(40, 0)).granted);
        taken.session_ended(&first);
        assert_eq!(taken.answer(&mut second, u64::MAX, &ask(0, 0)).free_bytes, 60);
    }

    #[test]
    fn nobody_gives_back_what_is_not_his_or_takes_beyond_his_quota() {
        let (mut taken, mut honest, mut liar) = (Taken::default(), Held::default(), Held::default());
        assert!(taken.answer(&mut honest, 100, &ask(80, 0)).granted);
        assert_eq!(taken.answer(&mut liar, 15, &ask(0, 80)).free_bytes, 15);
        assert!(!taken.answer(&mut liar, 15, &ask(16, 0)).granted);
        assert!(!taken.answer(&mut liar, u64::MAX, &ask(u64::MAX, u64::MAX)).granted);
        assert!(asked(&encode(&Ask { device: DEVICES_MAX, ..ask(0, 0) })).is_none());
    }
}
