//! The server over real HTTP: what a client of it sees.

mod bulk;
mod concurrency;
mod discovery;
mod filters;
mod groups;
mod lifecycle;
mod pages;
mod refusals;
mod support;
mod versions;
