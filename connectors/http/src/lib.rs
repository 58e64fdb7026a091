//! The client kit of every connector that speaks HTTP.
//!
//! In: a [`Config`] made from the settings of one target. Out: a [`Client`] that sends a [`Request`] and gives an
//! [`Answer`], keeping to what real servers taught (DESIGN, Connectors): TLS is always verified, no redirect is
//! followed, bodies are bounded, a read is tried again and a write only when it certainly did not land, a wrong
//! content type is an error. It never prints a secret, and it knows nothing of what the answers mean.

mod answer;
mod client;
mod config;
mod path;
mod retry;
mod status;

pub use answer::Answer;
pub use client::{Client, Request};
pub use config::{Auth, Config, SETTINGS};
pub use path::{query_value, segment};
pub use reqwest::Method;
pub use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use retry::retry_after;
pub use status::{in_doubt, kind};
