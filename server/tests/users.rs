//! Several people on one server: each has a ticket, which its owner may withdraw, and nobody has anything of another's.

mod support;

use std::process::Command;
use std::time::Duration;

use farwarp_link::{Control, DialError, LinkError, Purpose, client_info, dial};
use farwarp_protocol::ticket::Ticket;
use support::{Client, Server, table, until};

fn add(server: &Server, name: &str) -> Ticket {
    Control::dial(&server.ticket).unwrap().add_ticket(name).unwrap()
}

fn refused(ticket: &Ticket) -> DialError {
    dial(ticket, Purpose::New { client: client_info(table()) }).err().unwrap()
}

#[test]
fn a_withdrawn_ticket_ends_its_sessions_with_the_reason_and_nobody_elses() {
    let server = Server::start(&[]);
    let (bob, eve) = (add(&server, "bob"), add(&server, "eve"));
    let (mut of_bob, mut of_eve, mut of_owner) =
        (Client::new(&bob), Client::new(&eve), Client::new(&server.ticket));
    for client in [&mut of_bob, &mut of_eve, &mut of_owner] {
        client.hear_epoch(1);
    }
    let mut control = Control::dial(&server.ticket).unwrap();
    let count = |control: &mut Control| -> Vec<(String, u32)> {
        control.tickets().unwrap().into_iter().map(|ticket| (ticket.name, ticket.sessions)).collect()
    };
    assert_eq!(count(&mut control), [("bob".into(), 1), ("eve".into(), 1), ("owner".into(), 1)]);

    control.revoke_ticket("bob").unwrap();
    match of_bob.end() {
        LinkError::ClosedByPeer { reason, .. } => assert_eq!(reason, "the ticket 'bob' was withdrawn"),
        other => panic!("{other:?}"),
    }
    assert_eq!(refused(&bob), DialError::Revoked { address: server.ticket.address.clone() });
    of_eve.echo(b"nothing happened here");
    of_owner.echo(b"nor here");
    until("it is gone from the listing", || {
        count(&mut control) == [("eve".into(), 1), ("owner".into(), 1)] && server.sessions() == 2
    });
    let again = add(&server, "bob");
    Client::new(&again).hear_epoch(1);
    assert!(
        matches!(refused(&bob), DialError::Revoked { .. }),
        "the old ticket of a new bob stays withdrawn"
    );
}

#[test]
fn a_user_may_compute_and_see_what_is_his_and_nothing_else() {
    let server = Server::start(&["--ttl", "10m"]);
    let (bob, eve) = (add(&server, "bob"), add(&server, "eve"));
    let (mut of_bob, mut of_eve) = (Client::new(&bob), Client::new(&eve));
    of_bob.hear_epoch(1);
    of_eve.hear_epoch(1);
    let mut control = Control::dial(&eve).unwrap();
    let seen: Vec<String> =
        control.status().unwrap().sessions.into_iter().map(|session| session.ticket).collect();
    assert_eq!(seen, ["eve"]);
    let denied = |outcome: Result<(), DialError>| {
        assert!(matches!(outcome, Err(DialError::NotDone { .. })), "{outcome:?}")
    };
    denied(control.renew(Duration::from_secs(1)));
    denied(control.shutdown());
    denied(control.revoke_ticket("bob"));
    denied(control.add_ticket("mallory").map(drop));
    denied(control.tickets().map(drop));
    // Not even the way to another's session, nor whether there is one.
    let session = of_bob.admitted.session;
    let purpose = Purpose::Resume { session, key: of_bob.admitted.key, epoch: 2 };
    match dial(&eve, purpose).err() {
        Some(DialError::SessionGone { why, .. }) => assert_eq!(why, "this server does not know it"),
        other => panic!("{other:?}"),
    }
    of_bob.echo(b"still here");
    Control::dial(&server.ticket).unwrap().revoke_ticket("eve").unwrap();
    assert!(
        matches!(control.status(), Err(DialError::NotDone { .. })),
        "also on a connection that was made before"
    );
}

#[test]
fn one_ticket_cannot_take_every_place() {
    let server = Server::start(&["--sessions", "3", "--sessions-per-ticket", "2"]);
    let (bob, eve) = (add(&server, "bob"), add(&server, "eve"));
    let _two = [Client::new(&bob), Client::new(&bob)];
    let address = server.ticket.address.clone();
    assert_eq!(refused(&bob), DialError::TicketFull { address: address.clone(), sessions: 2 });
    let _third = Client::new(&eve);
    assert_eq!(refused(&eve), DialError::Full { address, sessions: 3 });
}

#[test]
fn the_command_adds_shows_and_withdraws() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bob.ticket");
    let ticket = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farwarp-server"));
        let output =
            command.arg("ticket").args(words).arg("--owner").arg(&server.ticket_file).output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    assert_eq!(ticket(&["add", "bob", "--ticket-file", file.to_str().unwrap()]), (true, String::new()));
    let bob: Ticket = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    Client::new(&bob).hear_epoch(1);
    let (_, listed) = ticket(&["list"]);
    assert!(listed.lines().any(|line| line.starts_with("bob ")) && listed.contains("owner"), "{listed}");
    assert_eq!(ticket(&["revoke", "bob"]), (true, String::new()));
    assert!(matches!(refused(&bob), DialError::Revoked { .. }));
    let (well, words) = ticket(&["revoke", "bob"]);
    assert!(!well && words.contains("there is no ticket 'bob'"), "{words}");
}
