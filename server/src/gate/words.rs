//! What a worker writes into the server's log: cut, cleaned of what commands a terminal, and only so much.

use std::io::Write;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::sessions::printable;
use crate::quota::{LOG_LINE_BYTES_MAX, Tap};

/// Passes on what comes until the worker has closed its end. What is too much is read and dropped: a worker that waits for its log
/// would not serve its client.
pub async fn pass_on(mut from: impl AsyncRead + Unpin, session: u64) {
    let (began, mut tap, mut dropped) = (Instant::now(), Tap::default(), 0u64);
    let (mut line, mut buffer) = (Vec::new(), vec![0; LOG_LINE_BYTES_MAX]);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        for byte in &buffer[..count] {
            if *byte != b'\n' && line.len() < LOG_LINE_BYTES_MAX {
                line.push(*byte);
                continue;
            }
            let now_ms = began.elapsed().as_millis() as u64;
            if tap.lets(line.len() as u64 + 1, now_ms) {
                if dropped > 0 {
                    tracing::warn!(
                        session,
                        lines = dropped,
                        "its worker said too much; these lines were dropped"
                    );
                    dropped = 0;
                }
                say(&line);
            } else {
                dropped += 1;
            }
            line.clear();
        }
    }
    if !line.is_empty() {
        say(&line);
    }
    if dropped > 0 {
        tracing::warn!(session, lines = dropped, "its worker said too much; these lines were dropped");
    }
}

fn say(line: &[u8]) {
    // A log that cannot be written is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{}", printable(&String::from_utf8_lossy(line)));
}
