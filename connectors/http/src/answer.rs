//! What a server answered.

use bytes::Bytes;
use jiff::Timestamp;
use provost_sdk::{Error, ErrorKind, Result};
use reqwest::header::{CONTENT_TYPE, DATE, ETAG, HeaderMap, LOCATION};
use serde_json::Value;

use crate::retry::http_date;
use crate::status;

/// An answer with its whole, bounded body. Its `Debug` shows no body: a target's texts belong into no log.
#[derive(Clone)]
pub struct Answer {
    /// The status code; never a redirect, and never what was tried again.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`provost_sdk::Limits::max_response`] bytes.
    pub body: Bytes,
    /// What was asked, such as `GET /Users`, for messages.
    pub asked: String,
    /// Whether what was asked is a write.
    pub write: bool,
}

impl Answer {
    /// Whether the server calls it a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    ///
    /// An answer that calls itself something else than JSON is an invalid response, whatever its status: a proxy's
    /// login page is 200 too. No content type at all is taken for JSON if it is JSON. The error shows no part of
    /// the body, and says that a write may have landed.
    pub fn json(&self) -> Result<Value> {
        if let Some(content_type) = self.content_type()
            && !is_json(content_type)
        {
            return Err(self.invalid(format!("of type {content_type:?} where JSON was expected")));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            self.invalid(format!("that is no JSON ({place})"))
        })
    }

    /// The error of an answer that is no success, by its status; `detail` is what the API says about it.
    pub fn error(&self, detail: &str) -> Error {
        let mut text = format!("{} was answered with {}", self.asked, self.status);
        if !detail.is_empty() {
            text.push_str(": ");
            text.push_str(&one_line(detail));
        }
        if !text.ends_with('.') {
            text.push('.');
        }
        self.doubt(Error::new(status::kind(self.status), text), status::in_doubt(self.status))
    }

    /// The error of a success that cannot be used.
    pub fn invalid(&self, what: impl std::fmt::Display) -> Error {
        let text = format!("{} was answered with {} and a body {what}.", self.asked, self.status);
        self.doubt(Error::new(ErrorKind::InvalidResponse, text), self.is_success())
    }

    /// The `ETag`, as the server spells it.
    pub fn etag(&self) -> Option<&str> {
        self.headers.get(ETAG)?.to_str().ok()
    }

    /// The `Location`, as the server spells it.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// The server's clock.
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.headers.get(DATE)?.to_str().ok()?)
    }

    fn content_type(&self) -> Option<&str> {
        // A header that is no text is certainly not JSON's.
        self.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"))
    }

    fn doubt(&self, error: Error, landed: bool) -> Error {
        if self.write && landed { error.in_doubt() } else { error }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {} ({} bytes)", self.asked, self.status, self.body.len())
    }
}

/// A target's text for a message: one line, bounded, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    /// Enough for any reason, too little to flood a log.
    const LONGEST: usize = 300;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.trim().chars().take(LONGEST).map(clean).collect();
    if line.len() < text.trim().len() {
        line.push('…');
    }
    line
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}
