//! One HTTP request and its answer, and the difference between a request that was not made and an answer that was lost.
//!
//! A trait, so that an agent can be made to die between any two bytes of it. What is said over it is the providers' business.

use std::io::Read;
use std::time::Duration;

/// A longer answer is none: the longest, a page of offers or of instances, has some hundred KiB.
pub const ANSWER_BYTES_MAX: u64 = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// For all of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

pub struct Request {
    pub method: Method,
    pub url: String,
    /// May hold credentials, and is never logged.
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    /// Retry-After, where it is a number of seconds.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nothing of it has reached the other side.
    #[error("{0}")]
    NotSent(String),
    /// It may have been done.
    #[error("{0}")]
    Lost(String),
}

pub trait Http: Send + Sync {
    fn send(&self, request: &Request) -> Result<Answer, HttpError>;
}

/// Over the network, TLS by rustls with the roots of the web.
pub struct Network {
    client: ureq::Agent,
}

impl Network {
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            // A redirected create would be made somewhere else, with our key.
            .max_redirects(0)
            .user_agent(concat!("farwarp/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { client: config.new_agent() }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Http for Network {
    fn send(&self, request: &Request) -> Result<Answer, HttpError> {
        let mut builder = ureq::http::Request::builder().uri(&request.url).method(request.method.name());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let body = request.body.as_deref().unwrap_or_default();
        let built = builder.body(body).map_err(|error| HttpError::NotSent(error.to_string()))?;
        let answer = self.client.run(built).map_err(|error| sorted(&error))?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let (status, content_type) = (answer.status().as_u16(), header("content-type").unwrap_or_default());
        let (content_type, retry_after) = (content_type.to_owned(), header("retry-after").and_then(seconds));
        let mut bytes = vec![];
        let mut reader = answer.into_body().into_reader().take(ANSWER_BYTES_MAX + 1);
        reader.read_to_end(&mut bytes).map_err(|error| HttpError::Lost(error.to_string()))?;
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(HttpError::Lost(format!("an answer of more than {ANSWER_BYTES_MAX} bytes")));
        }
        Ok(Answer { status, content_type, retry_after, body: bytes })
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Whatever is not known to come before the first byte may come after the last.
fn sorted(error: &ureq::Error) -> HttpError {
    use ureq::Error::{BadUri, ConnectionFailed, HostNotFound, Io, Rustls, Timeout, Tls};
    let words = error.to_string();
    match error {
        BadUri(_) | HostNotFound | ConnectionFailed | Rustls(_) | Tls(_) => HttpError::NotSent(words),
        Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => HttpError::NotSent(words),
        Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => HttpError::NotSent(words),
        _ => HttpError::Lost(words),
    }
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }

    /// Whether doing it twice is doing it once.
    pub fn is_idempotent(self) -> bool {
        matches!(self, Method::Get | Method::Delete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn get(url: String) -> Result<Answer, HttpError> {
        Network::new().send(&Request { method: Method::Get, url, headers: vec![], body: None })
    }

    /// Hears one request and answers it with these bytes.
    fn answered(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
        });
        url
    }

    #[test]
    fn nobody_there_is_told_from_an_answer_that_was_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(get(nobody), Err(HttpError::NotSent(_))));
        assert!(matches!(get(answered(b"")), Err(HttpError::Lost(_))));
        assert!(matches!(
            get(answered(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")),
            Err(HttpError::Lost(_))
        ));
    }

    #[test]
    fn an_error_is_an_answer_and_a_redirect_is_not_followed() {
        let busy = answered(b"HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
        let answer = get(busy).unwrap();
        assert_eq!((answer.status, answer.retry_after), (429, Some(Duration::from_secs(7))));
        let elsewhere =
            answered(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        assert!(get(elsewhere).map_or(true, |answer| answer.status == 302));
    }

    #[test]
    fn a_server_that_speaks_no_tls_is_an_error_and_no_answer() {
        let plain = answered(b"HTTP/1.1 400 Bad\r\n\r\n").replace("http:", "https:");
        assert!(get(plain).is_err());
    }
}
