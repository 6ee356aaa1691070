//! What is fed, by name. A target panics when a promise is broken; whatever is refused in order is as good as what is taken.

mod images;
mod messages;
mod session;

pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Words of its own, for the mutator.
    pub words: &'static [&'static [u8]],
}

pub const TARGETS: &[Target] = &[
    Target { name: "frame", run: session::frame, words: &[] },
    Target { name: "bodies", run: messages::bodies, words: &[] },
    Target { name: "messages", run: messages::messages, words: &[] },
    Target { name: "ticket", run: messages::ticket, words: messages::TICKET_WORDS },
    Target { name: "session", run: session::session, words: &[] },
    Target { name: "client", run: session::client, words: &[] },
    Target { name: "plan", run: messages::plan, words: &[] },
    Target { name: "fatbin", run: images::fatbin, words: images::FATBIN_WORDS },
    Target { name: "cubin", run: images::cubin, words: images::CUBIN_WORDS },
    Target { name: "ptx", run: images::ptx, words: images::PTX_WORDS },
];

/// The target of this name.
pub fn named(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target {name}"))
}
