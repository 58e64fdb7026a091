//! Which records of the audit log are meant.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use provost_audit::Kind;
use provost_audit::index::Query;

use crate::cli::CliError;

/// Everything that is given has to match.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// About this identity: its id
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// On this target
    #[arg(long)]
    target: Option<String>,
    /// Of this kind, such as drift; `outcome` stands for all outcomes
    #[arg(long)]
    kind: Option<String>,
    /// Not before this instant, or this day in UTC
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Not after this instant, or this day in UTC
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
}

impl Filter {
    /// The query for the index; `limit` 0 means all.
    pub(super) fn query(&self, limit: usize) -> Result<Query, CliError> {
        if let Some(kind) = &self.kind
            && kind != "outcome"
            && Kind::from_name(kind).is_none()
        {
            let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            return Err(CliError::user(format!("`{kind}` is no kind of record."))
                .hint(format!("outcome, or one of {}", all.join(", "))));
        }
        Ok(Query {
            subject: self.person.clone(),
            target: self.target.clone(),
            kind: self.kind.clone(),
            from: self
                .since
                .as_deref()
                .map(|text| instant(text, false))
                .transpose()?
                .map(Timestamp::as_second),
            to: self.until.as_deref().map(|text| instant(text, true)).transpose()?.map(Timestamp::as_second),
            limit,
            ..Query::default()
        })
    }
}

/// An instant with its offset, or a day in UTC: its first second, or its last.
pub(in crate::cli) fn instant(text: &str, last: bool) -> Result<Timestamp, CliError> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let day = text.parse::<Date>().ok();
    let end = day.and_then(|day| {
        let time = if last { day.at(23, 59, 59, 0) } else { day.at(0, 0, 0, 0) };
        TimeZone::UTC.to_timestamp(time).ok()
    });
    end.ok_or_else(|| {
        CliError::user(format!("`{text}` is neither a day nor an instant."))
            .hint("write 2026-09-21, or 2026-09-21T14:00:00Z")
    })
}
