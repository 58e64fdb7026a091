//! What waits, as one file a request on the plans branch: one line of canonical JSON, and the same in words. A file is
//! a function of what waits and of who has agreed to it, so that the branch moves only when that does.

use std::fmt::Write as _;

use provost_core::approval::{Lacking, Missing, Open, Request};
use provost_core::digest::Digest;
use provost_sdk::Risk;
use serde::{Deserialize, Serialize};

use crate::text::safe;

/// How its files end.
pub const PLAN: &str = ".txt";

/// A request with the operations of a large override, and the words about it.
pub const MAX_PLAN: usize = 8 << 20;

/// What the first line of a file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Whose audit log it is: the id of its first genesis.
    pub installation: String,
    /// The tracked ref.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The request's name.
    pub digest: Digest,
    /// Of which tier it is.
    pub tier: Risk,
    /// What is asked for.
    pub request: Request,
}

/// The file of one request: its name and its text.
pub fn file_of(
    installation: &str,
    reference: &str,
    open: &Open,
    missing: Option<&Missing>,
) -> (String, String) {
    let plan = Plan {
        installation: installation.to_owned(),
        reference: reference.to_owned(),
        digest: open.digest,
        tier: open.tier,
        request: open.request.clone(),
    };
    let mut text = provost_core::digest::canonical(&plan);
    text.push_str("\n\n");
    text.push_str(&words(open, missing));
    let _ = write!(text, "\nprovost approve {}\n", &open.digest.to_string()[..12]);
    (format!("{}{PLAN}", open.digest), text)
}

/// A request in words: what, why so much agreement, and what is missing from whom.
pub fn words(open: &Open, missing: Option<&Missing>) -> String {
    let mut text = format!("{}\n", safe(&open.request.to_string()));
    let mut line = |what: &str, value: &str| {
        let _ = writeln!(text, "  {what:<11}{}", safe(value));
    };
    line("tier", tier(open.tier));
    if let Some((_, place)) = open.request.place() {
        line("place", place.as_str());
    }
    if let Request::Override(of) = &open.request {
        for operation in &of.operations {
            line("lets pass", &operation.to_string());
        }
    }
    if !open.causes.is_empty() {
        let causes: Vec<String> = open.causes.iter().map(|(kind, id)| format!("{kind} {id}")).collect();
        line("because of", &causes.join(", "));
    }
    for one in lacks(missing) {
        line("missing", &one);
    }
    text
}

/// What is missing, one sentence a part; nothing where nobody counted.
pub fn lacks(missing: Option<&Missing>) -> Vec<String> {
    let Some(missing) = missing else { return Vec::new() };
    let denied = missing.denied.map(|person| format!("nothing more: {person} denied it, which is final"));
    let lacking = missing.lacking.iter().map(lack);
    let uncounted = missing
        .uncounted
        .iter()
        .map(|uncounted| format!("the word of {} does not count: {}", uncounted.approver, uncounted.why));
    match denied {
        Some(denied) => vec![denied],
        None => lacking.chain(uncounted).collect(),
    }
}

fn lack(lacking: &Lacking) -> String {
    let Lacking { from, people, signed, have, could } = lacking;
    let what = if *signed { "signature" } else { "approval" };
    let plural = if *people == 1 { "" } else { "s" };
    let list =
        |people: &[provost_core::Sym]| people.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!("{people} {what}{plural} of {from}");
    match could.len() {
        0 => text.push_str(" (nobody there may give it)"),
        _ => {
            let _ = write!(text, " ({})", list(could));
        }
    }
    if usize::from(*people) > could.len() && !could.is_empty() {
        text.push_str(", which are too few");
    }
    if !have.is_empty() {
        let _ = write!(text, "; agreed: {}", list(have));
    }
    text
}

/// The word for a tier.
pub fn tier(tier: Risk) -> &'static str {
    match tier {
        Risk::Low => "low",
        Risk::Normal => "normal",
        Risk::Privileged => "privileged",
    }
}
