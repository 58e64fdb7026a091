//! What was added, and what that rests on: each grant above tier low has to name evidence that the log saw before it.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::message::Message;
use crate::record::{Kind, OutcomeResult};

/// How what a grant rests on is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Tier low: the commit is on the tracked branch.
    Branch,
    /// By a review that was seen at the forge, at least in part.
    Forge,
    /// By signatures.
    Signed,
    /// Taken by break-glass.
    BreakGlass,
}

impl Label {
    /// The label's name as `--output json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Label::Branch => "branch",
            Label::Forge => "forge",
            Label::Signed => "signed",
            Label::BreakGlass => "break-glass",
        }
    }
}

/// How the body of a grant of tier low ends: of its names, which are in order, these are the last two.
const LOW_GRANT: &str = r#""tier":"low","verb":"grant"}"#;
const GRANT: &str = r#""verb":"grant""#;

/// What was seen up to a record.
#[derive(Default)]
pub(crate) struct Additions {
    /// Evidence by its id.
    seen: HashMap<String, Label>,
    /// Grants by what they rest on.
    pub(crate) counts: BTreeMap<Label, u64>,
}

impl Additions {
    /// Whether the body of a record is needed here: of most grants it is enough to see that they are of tier low.
    pub(crate) fn looks_at(message: &Message) -> bool {
        match message.kind {
            Kind::Evidence | Kind::BreakGlass => true,
            Kind::Outcome(OutcomeResult::Applied) => {
                message.json.contains(GRANT) && !message.json.ends_with(LOW_GRANT)
            }
            _ => false,
        }
    }

    /// Takes one record in; its body is given where [`Additions::looks_at`] asks for it. `whole`: everything before it was taken in too, so what is not there is missing.
    ///
    /// # Errors
    /// Says what a grant lacks.
    pub(crate) fn apply(&mut self, message: &Message, body: &Value, whole: bool) -> Result<(), String> {
        match (message.kind, &message.evidence) {
            (Kind::Evidence, Some(id)) => {
                let label = match body.get("label").and_then(Value::as_str) {
                    Some("signed") => Label::Signed,
                    _ => Label::Forge,
                };
                self.seen.insert(id.clone(), label);
                Ok(())
            }
            (Kind::BreakGlass, Some(id)) => {
                self.seen.insert(id.clone(), Label::BreakGlass);
                Ok(())
            }
            (Kind::Outcome(OutcomeResult::Applied), _) if body.is_null() => {
                if message.json.ends_with(LOW_GRANT) {
                    *self.counts.entry(Label::Branch).or_default() += 1;
                }
                Ok(())
            }
            (Kind::Outcome(OutcomeResult::Applied), _) if text(body, "verb") == Some("grant") => {
                let label = self.label_of(body, whole)?;
                *self.counts.entry(label).or_default() += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The weakest of what a grant rests on.
    fn label_of(&self, body: &Value, whole: bool) -> Result<Label, String> {
        let tier = text(body, "tier").unwrap_or("low");
        if tier == "low" {
            return Ok(Label::Branch);
        }
        let evidence = body.get("evidence");
        let approvals = evidence.and_then(|evidence| evidence.get("approvals")?.as_array());
        // Each is an id, who approved, and how that is known.
        let approvals = approvals.into_iter().flatten().map(|approval| (approval.get(0), approval.get(2)));
        let emergency = evidence.and_then(|evidence| evidence.get("emergency"));
        let named = approvals.chain(emergency.map(|id| (Some(id), None)));
        let mut weakest = None;
        for (id, label) in named {
            let id = id.and_then(Value::as_str).ok_or("its evidence is malformed")?;
            let said = match label.and_then(Value::as_str) {
                Some("signed") => Label::Signed,
                Some(_) => Label::Forge,
                None => Label::BreakGlass,
            };
            match self.seen.get(id) {
                Some(label) if *label != said => {
                    return Err(format!("evidence {id} is {}, and it says {}", label.name(), said.name()));
                }
                None if whole => return Err(format!("evidence {id} is on no record before it")),
                _ => {}
            }
            weakest = Some(weakest.map_or(said, |label: Label| label.min(said)));
        }
        weakest.ok_or_else(|| format!("a grant of tier {tier} rests on no evidence"))
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}
