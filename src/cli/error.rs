//! Errors for people: what, why, and a hint.

use std::error::Error as StdError;

use owo_colors::OwoColorize;

use crate::git::GitError;
use crate::settings::SettingsError;
use crate::text;

/// An error that ends a verb.
#[derive(Debug)]
pub struct CliError {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    hint: Option<String>,
}

impl CliError {
    /// Something the user can mend.
    pub fn user(message: impl Into<String>) -> CliError {
        CliError { message: message.into(), source: None, hint: None }
    }

    /// Something that should not happen.
    pub fn internal(message: impl Into<String>, source: impl StdError + Send + Sync + 'static) -> CliError {
        CliError { message: message.into(), source: Some(Box::new(source)), hint: None }
    }

    /// The same error with what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> CliError {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it to standard error.
    pub fn print(&self) {
        anstream::eprintln!("{} {}", "error:".red().bold(), text::safe_block(&self.message));
        let mut cause = self.source.as_ref().map(|source| &**source as &dyn StdError);
        while let Some(error) = cause {
            anstream::eprintln!("  {} {}", "cause:".bold(), text::safe_block(&error.to_string()));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            anstream::eprintln!("  {} {}", "hint:".cyan().bold(), text::safe_block(hint));
        }
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, " ({source})"))
    }
}

macro_rules! plain {
    ($($error:ty),*) => {
        $(impl From<$error> for CliError {
            /// These errors are full sentences that end with their hint.
            fn from(error: $error) -> CliError {
                CliError::user(error.to_string())
            }
        })*
    };
}

plain!(
    SettingsError,
    GitError,
    crate::engine::EngineError,
    crate::control::ControlError,
    crate::daemon::DaemonError,
    crate::embedded::EmbeddedError,
    crate::demo::DemoError,
    crate::approval::key::KeyError,
    crate::approval::room::RoomError
);
