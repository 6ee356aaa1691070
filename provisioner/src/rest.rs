//! JSON over HTTP as companies offer it: who asks, what may be asked again, and what an answer that is none means.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::http::{Answer, Http, HttpError, Method, Request};
use crate::provider::ProviderError;

/// So often a request is made that was refused for coming too soon, or failed and may be repeated.
const TRIES_MAX: u32 = 4;
/// Between two tries, where the other side names no time; doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
/// Whoever wants to be asked later than this is not asked again.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Of an answer that is not understood, so much is shown.
const EXCERPT_CHARS_MAX: usize = 200;

/// The headers that say who asks, read anew for each request: keys are changed while leases live.
pub type Credentials = Box<dyn Fn() -> Result<Vec<(&'static str, String)>, ProviderError> + Send + Sync>;

pub struct Rest {
    http: Arc<dyn Http>,
    endpoint: String,
    credentials: Credentials,
}

/// An answer that is JSON.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub value: Value,
}

impl Said {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Rest {
    pub fn new(http: Arc<dyn Http>, endpoint: &str, credentials: Credentials) -> Self {
        Self { http, endpoint: endpoint.trim_end_matches('/').to_owned(), credentials }
    }

    /// Asks. What status means what beyond those that mean the same everywhere is the caller's business.
    pub fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Said, ProviderError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES_MAX {
            let error = match self.ask_once(method, path, body) {
                Err(error) if may_be_repeated(&error, method) => error,
                answer => return answer,
            };
            let wanted = match error {
                ProviderError::RateLimited { after } => after.unwrap_or(pause),
                _ => pause,
            };
            if wanted > PAUSE_MAX {
                return Err(error);
            }
            tracing::debug!("{} {path}: {error}; again in {wanted:?}", method.name());
            std::thread::sleep(wanted);
            pause *= 2;
        }
        self.ask_once(method, path, body)
    }

    /// A text that lies elsewhere, for which nothing of ours is shown; nothing while it is not there yet.
    pub fn fetch_elsewhere(&self, url: &str) -> Result<Option<String>, ProviderError> {
        let request = Request { method: Method::Get, url: url.to_owned(), headers: vec![], body: None };
        match self.http.send(&request) {
            Ok(answer) if answer.status == 200 => {
                Ok(Some(String::from_utf8_lossy(&answer.body).into_owned()))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(ProviderError::Transient(format!("{url}: {error}"))),
        }
    }

    fn ask_once(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Said, ProviderError> {
        let mut headers = (self.credentials)()?;
        headers.push(("accept", "application/json".into()));
        if body.is_some() {
            headers.push(("content-type", "application/json".into()));
        }
        let url = if path.contains("://") { path.to_owned() } else { format!("{}{path}", self.endpoint) };
        let body = body.map(|value| value.to_string().into_bytes());
        match self.http.send(&Request { method, url, headers, body }) {
            Ok(answer) => judge(&answer, method, &self.endpoint),
            Err(HttpError::NotSent(why)) => {
                Err(ProviderError::Transient(format!("{} cannot be reached: {why}", self.endpoint)))
            }
            Err(HttpError::Lost(why)) => Err(lost(method, format!("{}: {why}", self.endpoint))),
        }
    }
}

fn may_be_repeated(error: &ProviderError, method: Method) -> bool {
    match error {
        // It was refused, so it was not done.
        ProviderError::RateLimited { .. } => true,
        ProviderError::Transient(_) => method.is_idempotent(),
        _ => false,
    }
}

/// What a request without an answer is: of what does nothing twice, only a failure.
fn lost(method: Method, why: String) -> ProviderError {
    if method.is_idempotent() { ProviderError::Transient(why) } else { ProviderError::Lost(why) }
}

fn judge(answer: &Answer, method: Method, endpoint: &str) -> Result<Said, ProviderError> {
    let parsed = serde_json::from_slice::<Value>(&answer.body);
    let words = || match &parsed {
        Ok(value) => words_of(value),
        Err(_) => excerpt(&answer.body),
    };
    match answer.status {
        401 | 403 => Err(ProviderError::Auth(words())),
        402 => Err(ProviderError::Balance(words())),
        // A quota of a day is not waited for.
        429 if words().contains("quota") => Err(ProviderError::Quota(words())),
        429 => Err(ProviderError::RateLimited { after: answer.retry_after }),
        status @ (500 | 502..=504) => Err(lost(method, format!("{endpoint} answers {status}: {}", words()))),
        status => match parsed {
            Ok(value) => Ok(Said { status, value }),
            Err(_) if answer.body.is_empty() => Ok(Said { status, value: Value::Null }),
            Err(_) => {
                let what = if answer.content_type.is_empty() { "something" } else { &answer.content_type };
                let why = format!("{endpoint} answers {what} where JSON is due: {}", excerpt(&answer.body));
                Err(match method.is_idempotent() {
                    true => ProviderError::Refused(why),
                    false => lost(method, why),
                })
            }
        },
    }
}

/// What people should read of an error in JSON, whatever its field is called.
pub fn words_of(value: &Value) -> String {
    let fields = ["msg", "message", "detail", "error"];
    let text = fields.iter().find_map(|field| match value.get(field)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        inner @ Value::Object(_) => Some(words_of(inner)),
        _ => None,
    });
    let text = text.unwrap_or_else(|| value.to_string());
    text.chars().filter(|c| !c.is_control()).take(EXCERPT_CHARS_MAX).collect()
}

fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * EXCERPT_CHARS_MAX)]).into_owned();
    let one_line: Vec<&str> = text.split_whitespace().collect();
    one_line.join(" ").chars().filter(|c| !c.is_control()).take(EXCERPT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Answers from a list, and counts.
    struct Script(Mutex<Vec<Result<Answer, HttpError>>>);

    impl Http for Script {
        fn send(&self, _request: &Request) -> Result<Answer, HttpError> {
            self.0.lock().unwrap().remove(0)
        }
    }

    fn says(status: u16, body: &str) -> Result<Answer, HttpError> {
        Ok(Answer {
            status,
            content_type: "text/html".into(),
            retry_after: Some(Duration::ZERO),
            body: body.into(),
        })
    }

    fn ask(method: Method, script: Vec<Result<Answer, HttpError>>) -> Result<Said, ProviderError> {
        Rest::new(Arc::new(Script(Mutex::new(script))), "http://x/", Box::new(|| Ok(vec![])))
            .ask(method, "/a", None)
    }

    #[test]
    fn what_creates_is_repeated_only_if_it_was_refused() {
        assert!(ask(Method::Put, vec![says(429, "slow"), says(200, "{}")]).unwrap().is_success());
        for unclear in [Err(HttpError::Lost("cut".into())), says(502, "bad gateway"), says(200, "<html>")] {
            assert!(matches!(ask(Method::Put, vec![unclear]), Err(ProviderError::Lost(_))));
        }
        let refused = Err(HttpError::NotSent("refused".into()));
        assert!(matches!(ask(Method::Put, vec![refused]), Err(ProviderError::Transient(_))));
    }

    #[test]
    fn what_only_looks_is_repeated_and_never_unsure() {
        let cut = || Err(HttpError::Lost("cut".into()));
        assert!(ask(Method::Get, vec![cut(), says(503, ""), says(200, "{}")]).unwrap().is_success());
        assert!(matches!(
            ask(Method::Get, vec![cut(), cut(), cut(), cut()]),
            Err(ProviderError::Transient(_))
        ));
        let html = ask(Method::Get, vec![says(200, "<html>\n<b>Maintenance</b>")]).unwrap_err();
        assert!(html.to_string().contains("text/html where JSON is due: <html> <b>Maint"), "{html}");
    }

    #[test]
    fn who_may_not_and_who_cannot_pay_are_told_in_the_companys_words() {
        let auth = ask(Method::Get, vec![says(401, r#"{"error":"auth","msg":"no such key"}"#)]).unwrap_err();
        assert_eq!(auth, ProviderError::Auth("no such key".into()));
        let broke = ask(Method::Put, vec![says(402, "pay first")]).unwrap_err();
        assert_eq!(broke, ProviderError::Balance("pay first".into()));
        let never = |_| Ok(Answer { retry_after: Some(Duration::from_secs(3600)), ..says(429, "").unwrap() });
        let limited = ask(Method::Get, (0..4).map(never).collect()).unwrap_err();
        assert_eq!(limited, ProviderError::RateLimited { after: Some(Duration::from_secs(3600)) });
    }
}
