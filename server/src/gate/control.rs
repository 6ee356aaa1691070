//! The word with those who do not compute: who owns the server may ask and change everything, a user sees what is his.

use std::time::{Duration, Instant};

use farwarp_protocol::admission::{ControlAnswer, ControlRequest, TicketStatus};
use farwarp_protocol::ticket::Secret;
use quinn::{RecvStream, SendStream};

use super::Shared;
use super::door::{hear, say};
use super::lifetime::Ended;
use super::tickets::OWNER;

pub async fn serve(
    shared: &Shared,
    mut answers: SendStream,
    mut words: RecvStream,
    ticket: &str,
) -> Result<(), String> {
    // The end of the stream or of the connection is the ordinary end of a control connection.
    while let Ok(Some(request)) = hear::<ControlRequest>(&mut words).await {
        let ends = request == ControlRequest::Shutdown && ticket == OWNER;
        say(&mut answers, &answer(shared, request, ticket, Instant::now())).await?;
        if ends {
            shared.change_lifetime(|life| life.end(Ended::Told));
        }
    }
    Ok(())
}

fn answer(shared: &Shared, request: ControlRequest, ticket: &str, now: Instant) -> ControlAnswer {
    let refused = |why: &str| ControlAnswer::Refused { why: why.to_owned() };
    let done = |outcome: Result<(), super::tickets::TicketError>| match outcome {
        Ok(()) => ControlAnswer::Done,
        Err(error) => refused(&error.to_string()),
    };
    // It may have been withdrawn since the connection was made.
    if !shared.tickets().names().any(|name| name == ticket) {
        return refused("this ticket was withdrawn");
    }
    match request {
        ControlRequest::Status => {
            let mut status = shared.status(now);
            status.sessions.retain(|session| ticket == OWNER || session.ticket == ticket);
            ControlAnswer::Status(status)
        }
        _ if ticket != OWNER => refused("only the ticket that the server wrote for its owner may do that"),
        ControlRequest::Renew { ttl_ms } => {
            shared.change_lifetime(|life| life.renew(Duration::from_millis(ttl_ms), now));
            shared.note_renewal();
            ControlAnswer::Done
        }
        ControlRequest::Shutdown => ControlAnswer::Done,
        ControlRequest::AddTicket(new) => done(shared.tickets().add(&new.name, Secret(new.secret))),
        ControlRequest::RevokeTicket { name } => {
            let revoked = shared.tickets().revoke(&name);
            if revoked.is_ok() {
                tracing::info!(ticket = name, "withdrawn");
                shared.sessions().end_of_ticket(&name, &format!("the ticket '{name}' was withdrawn"));
            }
            done(revoked)
        }
        ControlRequest::Tickets => {
            let (tickets, sessions) = (shared.tickets(), shared.sessions());
            let status = |name: &str| TicketStatus {
                name: name.to_owned(),
                sessions: sessions.of_ticket(name) as u32,
            };
            ControlAnswer::Tickets { tickets: tickets.names().map(status).collect() }
        }
    }
}
