//! Logs, as text for people or as JSON for collectors, on standard error.

use tracing_subscriber::EnvFilter;

use crate::settings::{Log, LogFormat};

/// Starts logging. A filter that cannot be read is said so and replaced.
pub fn start(log: &Log) {
    let wanted = log.filter.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|error| {
        anstream::eprintln!(
            "warning: the log filter `{}` is wrong ({error}); using `info`",
            crate::text::safe(wanted)
        );
        EnvFilter::new("info")
    });
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A second start in one process (tests) keeps the first.
    drop(started);
}
