//! How a verb prints its result.

use clap::ValueEnum;
use owo_colors::OwoColorize;
use serde::Serialize;

use super::CliError;

/// The form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

/// Prints a result as JSON.
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::internal("The result cannot be written as JSON.", error))?;
    anstream::println!("{text}");
    Ok(())
}

/// A table with a heading, as wide as the terminal.
pub fn table(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(heading.iter().map(|word| word.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| crate::text::safe(cell)));
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Says on the side why something else is shown than might be expected, if so.
pub fn notice(notice: Option<&str>) {
    if let Some(notice) = notice {
        anstream::eprintln!("{} {}", "warning:".yellow().bold(), crate::text::safe_block(notice));
    }
}
