//! Trying a target out: what works, what is missing, and what to grant. It only reads.

use std::collections::BTreeMap;

use provost_core::document::{Document, Target};
use provost_sdk::{Capabilities, Collected, Completeness, Error, ErrorKind, Item, Observe, Probe, Verb};
use serde::Serialize;

use crate::registry;
use crate::settings::Settings;

/// A target's clock may differ by so much before times in its answers mislead.
const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// What was found. Its JSON is a stable interface of `provost connector test --output json`.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// The target.
    pub target: String,
    /// Its connector.
    pub connector: String,
    /// What was tried, in order; what comes after a failure that stops everything is not there.
    pub findings: Vec<Finding>,
    /// What the target cannot do at all: no permission would change it.
    pub cannot: Vec<&'static str>,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What, such as "list accounts".
    pub what: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, for people.
    pub seen: String,
    /// What to do where it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It works.
    Works,
    /// It does not.
    Missing,
    /// Only a change would tell, and none is made.
    Untried,
}

impl Trial {
    /// Whether nothing is missing.
    pub fn works(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Missing)
    }

    fn find(&mut self, what: &str, verdict: Verdict, seen: impl Into<String>, hint: Option<String>) {
        self.findings.push(Finding { what: what.to_owned(), verdict, seen: seen.into(), hint });
    }

    fn failed(&mut self, what: &str, error: &Error) {
        let hint = match error.kind {
            ErrorKind::InvalidCredential => {
                "Look at the secret, and at what the daemon's settings bind it to."
            }
            ErrorKind::PermissionDenied => {
                "Grant what the connector's page lists as the least that it needs."
            }
            ErrorKind::Configuration => {
                "Correct the target's settings: the connector's page has all of them."
            }
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited { .. } => {
                "Look whether the target can be reached from here; it may pass by itself."
            }
            _ => "The connector's page says which systems it speaks to, and their quirks.",
        };
        self.find(what, Verdict::Missing, error.to_string(), Some(hint.to_owned()));
    }
}

/// The one target in a file that the operator vouches for by naming it.
pub fn target_of(path: &str, bytes: &[u8]) -> Result<Target, String> {
    let parsed = provost_core::document::parse(path, bytes);
    match parsed.document {
        Some(Document::Target(target)) => Ok(*target),
        Some(_) => Err("it is no Target".to_owned()),
        None => {
            Err(parsed.problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; "))
        }
    }
}

/// Tries a target out.
pub async fn run(target: &Target, settings: &Settings) -> Trial {
    let mut trial = Trial {
        target: target.id.to_string(),
        connector: target.connector.to_string(),
        findings: Vec::new(),
        cannot: Vec::new(),
    };
    let (connector, resolved) = match registry::resolve(target, settings) {
        Ok(opened) => opened,
        Err(error) => {
            trial.find("settings", Verdict::Missing, error.to_string(), None);
            return trial;
        }
    };
    match connector.reader(&resolved) {
        Ok(reader) => try_reader(&mut trial, &*reader).await,
        Err(error) => trial.failed("settings", &error),
    }
    trial
}

async fn try_reader(trial: &mut Trial, reader: &dyn Observe) {
    let capabilities = match reader.describe().await {
        Ok(capabilities) => capabilities,
        Err(error) => return trial.failed("reach it", &error),
    };
    match reader.probe().await {
        Ok(probe) => permissions(trial, &probe),
        Err(error) => trial.failed("sign in", &error),
    }
    let mut sink = Collected::default();
    match reader.observe(None, &mut sink).await.map(|read| read.completeness) {
        Ok(Completeness::Complete) => {
            trial.find("read everything", Verdict::Works, counted(&sink.items), None)
        }
        Ok(Completeness::Partial(reason)) => {
            let hint = "Nothing is concluded from what is not shown: no account is made here until a read is complete.";
            let seen = format!("{}, and not all: {reason}", counted(&sink.items));
            trial.find("read everything", Verdict::Missing, seen, Some(hint.to_owned()));
        }
        Err(error) => trial.failed("read everything", &error),
    }
    trial.cannot = cannot(&capabilities);
}

fn permissions(trial: &mut Trial, probe: &Probe) {
    let place = probe.instance.as_ref().map(|instance| format!(", instance {instance}")).unwrap_or_default();
    trial.find("reach it", Verdict::Works, format!("{}{place}", probe.product), None);
    if let Some(skew) = probe.clock_skew {
        let seen = format!("{} s apart", skew.as_secs());
        match skew.abs() > SKEW {
            true => {
                let hint = "Set the clock of one of the two machines by a time server.".to_owned();
                trial.find("clock", Verdict::Missing, seen, Some(hint));
            }
            false => trial.find("clock", Verdict::Works, seen, None),
        }
    }
    for permission in &probe.permissions {
        let (verdict, seen) = match permission.granted {
            Some(true) => (Verdict::Works, "granted"),
            Some(false) => (Verdict::Missing, "not granted"),
            None => (Verdict::Untried, "only a change would tell"),
        };
        let hint = (verdict != Verdict::Works).then(|| permission.hint.clone());
        trial.find(&permission.purpose, verdict, seen, hint);
    }
}

fn counted(items: &[Item]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::from([("accounts", 0)]);
    for item in items {
        match item {
            Item::Account(_) => *counts.entry("accounts").or_default() += 1,
            Item::Entitlement(entitlement) => *counts.entry(&entitlement.kind).or_default() += 1,
            _ => {}
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    counts.join(", ")
}

fn cannot(capabilities: &Capabilities) -> Vec<&'static str> {
    let missing = Verb::ALL.into_iter().filter(|verb| !capabilities.verbs.contains(verb)).map(Verb::as_str);
    missing.chain((!capabilities.delta).then_some("delta reads")).collect()
}
