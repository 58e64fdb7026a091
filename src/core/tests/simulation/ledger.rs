//! The log equals the ledger: each target's own list of what it was asked to do, against the intents and outcomes that
//! are on the record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use provost_memory::Mutation;
use provost_sdk::Verb;

use super::log::{OpenIntent, Outcome};
use super::shell::{Shell, site_name};

/// What a hand did longer ago is known before anything is planned.
const UNSEEN: SignedDuration = SignedDuration::from_mins(30);

/// Whatever differs, in words. `settled`: whether what was in doubt on a target has to be settled.
pub fn differences(shell: &Shell, settled: impl Fn(&str) -> bool) -> Vec<String> {
    let mut differences = Vec::new();
    let mut done: BTreeMap<&str, &Mutation> = BTreeMap::new();
    for (target, site) in &shell.sites {
        for mutation in site.system.ledger() {
            let key = mutation.key.0.as_str();
            let intent = shell.log.intents.get(key);
            if !intent.is_some_and(|intent| is_of(intent, target, mutation)) {
                differences.push(format!("{target}: {mutation:?} was done for the intent {intent:?}"));
            }
            if done.insert(key, mutation).is_some() {
                differences.push(format!("{target}: one intent changed it twice: {mutation:?}"));
            }
        }
    }
    let open: BTreeSet<String> =
        shell.log.open.keys().map(|(label, sequence)| format!("{label}-{sequence}")).collect();
    for (key, intent) in &shell.log.intents {
        let outcome = shell.log.outcomes.get(key);
        let wrong = match (outcome, done.get(key.as_str())) {
            (None, _) if !open.contains(key) => Some("it has no outcome and is not open"),
            // One that is called at just this instant has some time left.
            (None, _) if intent.not_after >= shell.clock() => None,
            (None, _) if settled(site_name(intent.target)) => Some("it is still in doubt"),
            (Some(_), _) if open.contains(key) => Some("it has an outcome and is open"),
            (Some(Outcome::Applied { changed: true }), None) => {
                Some("it was recorded as applied, and never done")
            }
            (
                Some(Outcome::Applied { changed: false } | Outcome::Failed | Outcome::NotAttempted),
                Some(_),
            ) => Some("it was recorded as not done, and was done"),
            _ => None,
        };
        differences.extend(wrong.map(|why| format!("{key}: {why}: {intent:?} {outcome:?}")));
    }
    differences
}

/// Whether a mutation is what an intent says. The account of a grant may have been made after the intent.
fn is_of(intent: &OpenIntent, target: &str, mutation: &Mutation) -> bool {
    let (said, done) = (&intent.operation, &mutation.operation);
    let unborn = said.account().is_some_and(|account| account.anchor.as_str().is_empty());
    intent.target == target
        && said.verb() == done.verb()
        && said.entitlement() == done.entitlement()
        && (unborn || said.account().map(|of| &of.anchor) == done.account().map(|of| &of.anchor))
}

/// What a read showed of operations that were in doubt is what happened, unless somebody else had a hand in it.
pub fn check_settled(shell: &Shell, names: &[(String, u64)]) {
    for (label, sequence) in names {
        let key = format!("{label}-{sequence}");
        let (intent, outcome) = (&shell.log.intents[&key], shell.log.outcomes[&key]);
        let target = site_name(intent.target);
        let hands = shell.weather.hands.get(target).and_then(|hands| hands.last()).copied();
        let called = shell.checks.called_at(&key).unwrap_or(shell.now);
        // What takes away may be done again while it is in doubt, and then nobody can tell by which of both.
        let alone = matches!(intent.operation.verb(), Verb::Create | Verb::Grant)
            && hands.is_none_or(|hand| hand < called - UNSEEN);
        let Outcome::Settled(Some(seen)) = outcome else { continue };
        let ledger = shell.sites[target].system.ledger();
        let done = ledger.iter().find(|done| done.key.0 == key);
        let undone = |done: &Mutation| {
            ledger.iter().any(|other| other.write > done.write && other.account == done.account)
        };
        assert!(!alone || !seen || done.is_some(), "{intent:?} was settled as applied, and never done");
        assert!(
            !alone || seen || done.is_none_or(undone),
            "{intent:?} was settled as not applied, and was done"
        );
    }
}
