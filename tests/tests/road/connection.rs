//! Where there is no way to a server: one line that says why, an error of CUDA's, and an end.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use farwarp_tests::{Outcome, Product, Server, run};

use crate::{text, well};

/// Dialling gives up after ten seconds; the rest is a busy machine's.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_wrong_secret_is_refused_in_words_and_the_server_lives_on() {
    let server = Server::start();
    let outcome = with_ticket(&server, |ticket| other_digit(ticket, "secret="));
    refused(&outcome, "CUDA_ERROR_SYSTEM_NOT_READY", "secret");
    well(&server, "devices", &[]);
    assert!(server.is_alive());
}

#[test]
fn a_server_with_another_key_is_not_spoken_with() {
    let server = Server::start();
    let outcome = with_ticket(&server, |ticket| other_digit(ticket, "key="));
    refused(&outcome, "CUDA_ERROR_SYSTEM_NOT_READY", "key");
    well(&server, "devices", &[]);
}

#[test]
fn an_address_where_nobody_listens_is_given_up_at_once() {
    let mut server = Server::start();
    server.kill();
    let outcome = with_ticket(&server, str::to_owned);
    refused(&outcome, "CUDA_ERROR_SYSTEM_NOT_READY", "127.0.0.1");
    assert!(outcome.took < Duration::from_secs(8), "{:?}", outcome.took);
}

#[test]
fn an_address_that_never_answers_is_given_up_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("its number").to_string();
    let server = Server::start();
    let outcome = with_ticket(&server, |ticket| {
        let (_, rest) = ticket.split_once('?').expect("a ticket has fields");
        format!("farwarp://{address}?{rest}")
    });
    refused(&outcome, "CUDA_ERROR_SYSTEM_NOT_READY", &address);
}

#[test]
fn a_ticket_that_cannot_be_read_is_named() {
    let server = Server::start();
    let program = Product::find().program("devices.driver");
    let absent = server.file("absent");
    let outcome = run(server.command(&program).env("FARWARP_TICKET", &absent), LIMIT);
    refused(&outcome, "CUDA_ERROR_NO_DEVICE", absent.to_str().expect("a name that is text"));
    let outcome = with_ticket(&server, |_| "no ticket at all\n".into());
    refused(&outcome, "CUDA_ERROR_NO_DEVICE", "farwarp://");
    let outcome = with_ticket(&server, |ticket| ticket.replace("key=", "lock="));
    refused(&outcome, "CUDA_ERROR_NO_DEVICE", "lock");
}

#[test]
fn a_ticket_in_the_variable_itself_is_as_good_as_a_file() {
    let server = Server::start();
    let ticket = fs::read_to_string(server.ticket()).expect("the ticket");
    let program = Product::find().program("devices.driver");
    let outcome = run(server.command(&program).env("FARWARP_TICKET", ticket.trim()), LIMIT);
    assert!(outcome.status.success() && text(&outcome).contains("GPU-"), "{outcome}");
}

/// The devices that a program sees with a ticket that was changed.
fn with_ticket(server: &Server, change: impl Fn(&str) -> String) -> Outcome {
    let ticket = fs::read_to_string(server.ticket()).expect("the ticket");
    let changed = server.file("changed");
    fs::write(&changed, change(&ticket)).expect("a file in a folder of ours");
    let program = Product::find().program("devices.driver");
    run(server.command(&program).env("FARWARP_TICKET", &changed), LIMIT)
}

/// Another first digit behind this word.
fn other_digit(ticket: &str, word: &str) -> String {
    let at = ticket.find(word).expect("a ticket has it") + word.len();
    let other = if ticket[at..].starts_with('0') { "1" } else { "0" };
    format!("{}{other}{}", &ticket[..at], &ticket[at + 1..])
}

fn refused(outcome: &Outcome, code: &str, why: &str) {
    assert_eq!(text(outcome), format!("{code}\n"), "{outcome}");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("farwarp: ") && stderr.contains(why), "{why:?} is not in {stderr}");
    assert!(outcome.took < LIMIT);
}
