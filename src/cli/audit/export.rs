//! `provost audit export`

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::filter::Filter;
use crate::cli::{CliError, Config, history};
use crate::engine::EngineError;
use crate::history::Entry;
use crate::settings::Overrides;

/// Write records of the audit log with their bodies, the oldest first, for other programs
///
/// Examples:
///   provost audit export > audit.jsonl
///   provost audit export --format csv --target forge --since 2026-01-01 --until 2026-12-31
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// JSON, one record a line, or comma-separated values (RFC 4180)
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Jsonl,
    Csv,
}

/// The columns of a CSV export, in their order.
const COLUMNS: [&str; 12] = [
    "seq",
    "at",
    "kind",
    "target",
    "subject",
    "summary",
    "operation",
    "intent",
    "evidence",
    "desired_commit",
    "commit",
    "body",
];

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode, CliError> {
    let settings = config.load(&Overrides::default())?;
    let query = args.filter.query(0)?;
    let log = history::opened(&settings)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let failed =
        |error: std::io::Error| EngineError::Broken(format!("The export cannot be written: {error}."));
    if args.format == Format::Csv {
        write!(out, "{}\r\n", COLUMNS.join(",")).map_err(failed)?;
    }
    let written = log.export(&query, |entry, body| {
        let line = match args.format {
            Format::Jsonl => jsonl(&entry, body),
            Format::Csv => csv(&entry, body),
        };
        out.write_all(line.as_bytes()).map_err(failed)
    });
    written.and_then(|()| out.flush().map_err(failed))?;
    Ok(ExitCode::SUCCESS)
}

fn jsonl(entry: &Entry, body: &str) -> String {
    let mut value = json!(entry);
    value["body"] = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    format!("{value}\n")
}

/// Quoted as RFC 4180 says. A text that a spreadsheet would take for a formula is led by an apostrophe.
fn csv(entry: &Entry, body: &str) -> String {
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let fields = [
        Some(entry.seq.to_string()),
        Some(entry.at.to_string()),
        Some(entry.kind.clone()),
        entry.target.clone(),
        entry.subject.clone(),
        Some(entry.summary.clone()),
        entry.operation.clone(),
        number(entry.intent),
        entry.evidence.clone(),
        entry.desired_commit.clone(),
        Some(entry.commit.clone()),
        Some(body.to_owned()),
    ];
    let quoted = fields.map(|field| {
        let field = field.unwrap_or_default();
        let guard = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        format!("\"{guard}{}\"", field.replace('"', "\"\""))
    });
    quoted.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_and_never_a_formula() {
        let entry = Entry {
            seq: 7,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind: "drift".to_owned(),
            target: None,
            subject: Some("=HYPERLINK(\"x\")".to_owned()),
            summary: "a, \"b\"".to_owned(),
            operation: None,
            intent: Some(3),
            evidence: None,
            desired_commit: None,
            commit: "abc".to_owned(),
        };
        let line = csv(&entry, "{\"n\":1}");
        assert_eq!(
            line,
            "\"7\",\"1970-01-01T00:00:00Z\",\"drift\",\"\",\"'=HYPERLINK(\"\"x\"\")\",\"a, \"\"b\"\"\",\"\",\"3\",\"\",\"\",\"abc\",\"{\"\"n\"\":1}\"\r\n"
        );
        assert_eq!(line.matches("\",\"").count(), COLUMNS.len() - 1);
        let value: serde_json::Value = serde_json::from_str(&jsonl(&entry, "{\"n\":1}")).expect("JSON");
        assert_eq!((value["body"]["n"].as_u64(), value["seq"].as_u64()), (Some(1), Some(7)));
    }
}
