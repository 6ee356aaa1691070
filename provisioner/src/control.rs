//! The agent's word with a running server. A trait, so that leases are tested without one.

use std::time::Duration;

use farwarp_link::Control;
use farwarp_protocol::admission::ServerStatus;
use farwarp_protocol::ticket::Ticket;

pub trait ServerControl: Send {
    fn status(&mut self) -> Result<ServerStatus, String>;

    /// The server ends itself after this long, unless renewed again.
    fn renew(&mut self, ttl: Duration) -> Result<(), String>;

    /// Ends all sessions, and the server.
    fn shutdown(&mut self) -> Result<(), String>;
}

/// How a [`ServerControl`] is come by.
pub trait Dialler: Send + Sync {
    fn dial(&self, ticket: &Ticket) -> Result<Box<dyn ServerControl>, String>;
}

/// Over the gate's control connection.
pub struct LinkDialler;

impl Dialler for LinkDialler {
    fn dial(&self, ticket: &Ticket) -> Result<Box<dyn ServerControl>, String> {
        Ok(Box::new(Control::dial(ticket).map_err(|error| error.to_string())?))
    }
}

impl ServerControl for Control {
    fn status(&mut self) -> Result<ServerStatus, String> {
        Control::status(self).map_err(|error| error.to_string())
    }

    fn renew(&mut self, ttl: Duration) -> Result<(), String> {
        Control::renew(self, ttl).map_err(|error| error.to_string())
    }

    fn shutdown(&mut self) -> Result<(), String> {
        Control::shutdown(self).map_err(|error| error.to_string())
    }
}
