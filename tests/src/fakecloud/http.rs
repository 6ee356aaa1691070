//! HTTP/1.1 as far as a cloud of the tests needs it: one request a connection.

use std::io::{BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::world::World;

const HEAD_BYTES_MAX: usize = 16 << 10;
const BODY_BYTES_MAX: usize = 1 << 20;
const HEADERS_MAX: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(20);

pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    pub query: String,
    pub authorization: String,
    pub body: Value,
}

pub enum Reply {
    Json(u16, Value),
    Limited(Option<u32>),
    Html,
    Bytes(Vec<u8>),
    /// The connection is closed without an answer.
    Cut,
}

pub fn serve(stream: TcpStream, world: &Mutex<World>) {
    // Whoever connects and says nothing, or leaves early, is nobody's concern.
    let _ = converse(stream, world);
}

fn converse(stream: TcpStream, world: &Mutex<World>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let Some(request) = hear(&mut BufReader::new(&stream))? else { return Ok(()) };
    let reply = world.lock().unwrap_or_else(PoisonError::into_inner).answer(&request);
    let (status, kind, extra, body) = match reply {
        Reply::Cut => return Ok(()),
        Reply::Json(status, value) => (status, "application/json", String::new(), value.to_string().into()),
        Reply::Html => (200, "text/html", String::new(), b"<html><body>Maintenance</body></html>".to_vec()),
        Reply::Bytes(bytes) => (200, "application/octet-stream", String::new(), bytes),
        Reply::Limited(after) => {
            let extra = after.map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
            (429, "text/plain", extra, b"API requests too frequent: endpoint threshold=4.5".to_vec())
        }
    };
    let mut out = BufWriter::new(&stream);
    let length = body.len();
    write!(
        out,
        "HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{extra}connection: close\r\n\r\n"
    )?;
    out.write_all(&body)?;
    out.flush()
}

fn hear(stream: &mut impl Read) -> std::io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() == HEAD_BYTES_MAX || stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    if parsed.parse(&head).is_err() {
        return Ok(None);
    }
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).into_owned()).unwrap_or_default()
    };
    let length = header("content-length").parse::<usize>().unwrap_or(0).min(BODY_BYTES_MAX);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Some(Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: header("authorization"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }))
}
