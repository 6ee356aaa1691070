//! The word with the gate of those who do not compute: status, more time to live, the end.

use std::time::{Duration, Instant};

use farwarp_protocol::admission::{
    Answer, ControlAnswer, ControlRequest, NewTicket, ServerStatus, TicketStatus, Wish,
};
use farwarp_protocol::ticket::{Secret, Ticket};

use crate::client::GateConnection;
use crate::{DialError, keys};

/// A gate that does not answer within this time is as good as gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Nobody drives the connection between two requests, so the gate takes it for dead after `SILENCE_MAX`.
const DIAL_ANEW_AFTER: Duration = Duration::from_secs(10);

/// A connection to the gate, for as many requests as wanted; renewed by itself where they are far apart.
pub struct Control {
    ticket: Ticket,
    gate: GateConnection,
    asked: Instant,
}

impl Control {
    pub fn dial(ticket: &Ticket) -> Result<Self, DialError> {
        let (gate, answer) = GateConnection::open(ticket, Wish::Control, Instant::now() + ANSWER_TIMEOUT)?;
        match answer {
            Answer::Control => Ok(Self { ticket: ticket.clone(), gate, asked: Instant::now() }),
            Answer::Refused(refusal) => Err(DialError::refused(ticket.address.clone(), 0, refusal)),
            Answer::Admitted(_) => Err(gate.malformed("it took us for somebody else")),
        }
    }

    pub fn status(&mut self) -> Result<ServerStatus, DialError> {
        match self.ask(&ControlRequest::Status)? {
            ControlAnswer::Status(status) => Ok(status),
            other => Err(self.other(other)),
        }
    }

    /// The server now ends itself after `ttl`, counted from here; the limit before is forgotten.
    pub fn renew(&mut self, ttl: Duration) -> Result<(), DialError> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.done(&ControlRequest::Renew { ttl_ms })
    }

    /// Ends all sessions, and the server.
    pub fn shutdown(&mut self) -> Result<(), DialError> {
        self.done(&ControlRequest::Shutdown)
    }

    /// A ticket of its own for one more user, which is good from now on.
    pub fn add_ticket(&mut self, name: &str) -> Result<Ticket, DialError> {
        let ticket = Ticket { secret: Secret(keys::random()), ..self.ticket.clone() };
        let new = NewTicket { name: name.to_owned(), secret: ticket.secret.0 };
        self.done(&ControlRequest::AddTicket(new))?;
        Ok(ticket)
    }

    /// Ends the sessions that came with a user's ticket, and lets no more in.
    pub fn revoke_ticket(&mut self, name: &str) -> Result<(), DialError> {
        self.done(&ControlRequest::RevokeTicket { name: name.to_owned() })
    }

    pub fn tickets(&mut self) -> Result<Vec<TicketStatus>, DialError> {
        match self.ask(&ControlRequest::Tickets)? {
            ControlAnswer::Tickets { tickets } => Ok(tickets),
            other => Err(self.other(other)),
        }
    }

    fn other(&self, answer: ControlAnswer) -> DialError {
        match answer {
            ControlAnswer::Refused { why } => {
                DialError::NotDone { address: self.ticket.address.clone(), why }
            }
            _ => self.gate.malformed("it answered another question"),
        }
    }

    fn done(&mut self, request: &ControlRequest) -> Result<(), DialError> {
        match self.ask(request)? {
            ControlAnswer::Done => Ok(()),
            other => Err(self.other(other)),
        }
    }

    fn ask(&mut self, request: &ControlRequest) -> Result<ControlAnswer, DialError> {
        if self.asked.elapsed() > DIAL_ANEW_AFTER {
            *self = Self::dial(&self.ticket)?;
        }
        self.asked = Instant::now();
        let until = self.asked + ANSWER_TIMEOUT;
        self.gate.tell(request, until)?;
        self.gate.hear(until)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.gate.close();
    }
}
