//! A plan as people would tell it, one line an operation.

use std::fmt::Write;

use provost_core::gate::{Decision, Guard, WaitsFor};
use provost_core::plan::{NotPlanned, Planned, Queue};
use provost_sdk::{Operation, Risk};

use super::story::Story;

/// The plan of a story with its decisions, what was not planned, and what became provost's own.
pub(super) fn plan(story: &Story) -> String {
    let super::story::Planned { plan, decisions, now, problems } = story.plan();
    let mut told = format!("at {now}\n");
    for problem in problems {
        writeln!(told, "held back: {problem}").expect("a text");
    }
    if plan.operations.is_empty() {
        told.push_str("nothing is planned\n");
    }
    for (place, (planned, decision)) in plan.operations.iter().zip(&decisions).enumerate() {
        writeln!(told, "{}. {} -> {}", place + 1, operation(planned), self::decision(decision))
            .expect("a text");
    }
    for unplanned in &plan.not_planned {
        writeln!(told, "not planned: {}", self::unplanned(unplanned)).expect("a text");
    }
    for claim in &plan.claims {
        let mut keys: Vec<String> =
            claim.keys.iter().map(|key| format!("{}:{}", key.kind, key.anchor)).collect();
        keys.sort();
        let life = match (claim.left, keys.is_empty()) {
            (true, _) => "has left",
            (false, true) => "has not left",
            (false, false) => "",
        };
        writeln!(told, "claimed: {} {}: {}{life}", claim.target, claim.identity, keys.join(", "))
            .expect("a text");
    }
    if let Some(next) = plan.next {
        writeln!(told, "next at {next}").expect("a text");
    }
    told
}

fn operation(planned: &Planned) -> String {
    let queue = match planned.queue {
        Queue::Leaver => "leaver",
        Queue::Revoke => "revoke",
        Queue::Change => "change",
        Queue::Resync => "resync",
    };
    let whose = planned.identity.map_or("nobody", |identity| identity.as_str());
    let mut told = format!("[{queue}] {} {whose}", planned.target);
    if planned.profile != *"main" {
        write!(told, " as {}", planned.profile).expect("a text");
    }
    write!(told, ": {}", planned.verb().as_str()).expect("a text");
    match &planned.operation {
        Operation::Create(create) => {
            write!(told, " {}", create.username).expect("a text");
            for (name, value) in &create.attributes {
                write!(told, " {name}={value}").expect("a text");
            }
        }
        Operation::Update { account, changes } => {
            write!(told, " {}", account.username).expect("a text");
            for (name, value) in changes {
                let value = value.as_ref().map_or(String::new(), ToString::to_string);
                write!(told, " {name}={value}").expect("a text");
            }
        }
        Operation::Rename { account, to } => write!(told, " {} to {to}", account.username).expect("a text"),
        Operation::Transfer { from, to } => {
            write!(told, " from {} to {}", from.username, to.username).expect("a text")
        }
        Operation::Replace { accounts, .. } => {
            let names: Vec<&str> = accounts.iter().map(|account| account.username.as_str()).collect();
            write!(told, " [{}]", names.join(", ")).expect("a text");
        }
        other => {
            let account = other.account().map_or("", |account| account.username.as_str());
            if !account.is_empty() {
                write!(told, " {account}").expect("a text");
            }
        }
    }
    if let Some(entitlement) = planned.operation.entitlement() {
        write!(told, " {}:{}", entitlement.kind, entitlement.name).expect("a text");
        if let Some(role) = &entitlement.role {
            write!(told, "#{role}").expect("a text");
        }
    }
    if planned.tier != Risk::Low {
        write!(told, ", {}", risk(planned.tier)).expect("a text");
    }
    if planned.drift {
        told.push_str(", drift");
    }
    if !planned.after.is_empty() {
        let places: Vec<String> = planned.after.iter().map(|place| (place + 1).to_string()).collect();
        write!(told, ", after {}", places.join(" ")).expect("a text");
    }
    told
}

fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Proceed => "proceed".to_owned(),
        Decision::Wait { reason: WaitsFor::Evidence { tier } } => {
            format!("wait for agreement of tier {}", risk(*tier))
        }
        Decision::Wait { reason: WaitsFor::Review { why } } => format!("wait, for {why}"),
        Decision::Wait { reason: WaitsFor::Operation { place } } => format!("wait for {}", place + 1),
        Decision::Refuse { guard: Guard::Limit { figure } } => format!("refuse: {figure}"),
        Decision::Refuse { guard: Guard::LastAdmin { entitlement, holders } } => {
            format!("refuse: nobody would hold {entitlement} any more, {holders} do")
        }
        Decision::Refuse { guard: Guard::Check { rule, message } } => format!("refuse: {rule}: {message}"),
    }
}

fn unplanned(unplanned: &NotPlanned) -> String {
    let NotPlanned { target, identity, profile, account, verb, entitlement, why } = unplanned;
    let mut told = target.to_string();
    if let Some(identity) = identity {
        write!(told, " {identity}").expect("a text");
    }
    if let Some(profile) = profile.filter(|profile| *profile != *"main") {
        write!(told, " as {profile}").expect("a text");
    }
    if let Some(account) = account {
        write!(told, " ({})", account.username).expect("a text");
    }
    if let Some(verb) = verb {
        write!(told, " {}", verb.as_str()).expect("a text");
    }
    if let Some(entitlement) = entitlement {
        write!(told, " {entitlement}").expect("a text");
    }
    format!("{told}: {why}")
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Normal => "normal",
        Risk::Privileged => "privileged",
    }
}
