//! Reading all targets for verbs that only look, and saying what an operation does and why.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::access::GrantState;
use provost_core::observed::Collector;
use provost_core::organisation::Organisation;
use provost_core::plan::Planned;
use provost_sdk::{Capabilities, Observe, Operation, Read};

use crate::engine::View;
use crate::registry;
use crate::settings::Settings;

/// A person waits for the result: a target that does not answer in this time is said to be unreadable.
const PATIENCE: Duration = Duration::from_secs(120);

/// Reads every target at once into the view; gives those that cannot be read, and why.
///
/// A target whose document differs from the version in force is not read: no secret is sent for what an untrusted
/// commit changed, and the view holds rules in force only.
pub async fn read_all(view: &mut View, settings: &Arc<Settings>) -> Vec<(String, String)> {
    let all = view.organisation.snapshot().targets();
    let (targets, changed): (Vec<_>, Vec<_>) =
        all.into_iter().cloned().partition(|target| view.readable.contains(&target.id));
    let mut reads = tokio::task::JoinSet::new();
    for target in targets {
        let settings = Arc::clone(settings);
        reads.spawn(async move {
            let opened = registry::resolve(&target, &settings).map_err(|error| error.to_string());
            let reading = async { read(&*open(opened)?).await.map_err(|error| error.to_string()) };
            let result = tokio::time::timeout(PATIENCE, reading).await;
            (
                target.id,
                result.unwrap_or_else(|_| Err(format!("it did not answer within {} s", PATIENCE.as_secs()))),
            )
        });
    }
    let not_in_force = "its document is not the one in force by the daemon's own audit log, and no secret is sent \
                        for what a commit changed";
    let mut unread: BTreeMap<String, String> =
        changed.iter().map(|target| (target.id.to_string(), not_in_force.to_owned())).collect();
    while let Some(joined) = reads.join_next().await {
        match joined {
            Ok((target, Ok((capabilities, found, read)))) => {
                view.organisation.merge(target, capabilities, found, &read, Timestamp::now());
            }
            Ok((target, Err(why))) => drop(unread.insert(target.to_string(), why)),
            Err(error) => drop(unread.insert("?".to_owned(), error.to_string())),
        }
    }
    unread.into_iter().collect()
}

type Opened = Result<(&'static dyn provost_sdk::Connector, provost_sdk::Settings), String>;

fn open(opened: Opened) -> Result<Box<dyn Observe>, String> {
    let (connector, settings) = opened?;
    connector.reader(&settings).map_err(|error| error.to_string())
}

async fn read(reader: &dyn Observe) -> provost_sdk::Result<(Capabilities, Collector, Read)> {
    let capabilities = reader.describe().await?;
    let mut found = Collector::begin(Timestamp::now(), None);
    let read = reader.observe(None, &mut found).await?;
    Ok((capabilities, found, read))
}

/// The grants of the identities that were asked for, with their causes.
pub type Grants = HashMap<Sym, Vec<provost_core::access::GrantWithCauses>>;

/// Why an operation is done, in short. What is looked up for it is kept in `grants`, for operations of the same identities.
pub fn causes(organisation: &Organisation, planned: &Planned, grants: &mut Grants) -> Vec<String> {
    let Some(identity) = planned.identity else { return Vec::new() };
    let look = || organisation.access().why(organisation.snapshot(), organisation.evidence(), identity);
    let grants = grants.entry(identity).or_insert_with(look);
    let wanted = planned.operation.entitlement();
    let about = grants.iter().filter(|grant| {
        let here = grant.power.target == planned.target && grant.power.profile == planned.profile;
        let spec = grant.power.entitlement;
        here && wanted.is_none_or(|wanted| {
            spec.is_some_and(|spec| spec.kind == *wanted.kind.as_str() && spec.name == *wanted.name.as_str())
        })
    });
    let mut causes: Vec<String> = if planned.takes_away() {
        vec![match organisation.access().lifecycle(identity) {
            provost_core::access::Lifecycle::Active => "nothing in force gives it any more".to_owned(),
            lifecycle => format!("{identity} is {lifecycle}"),
        }]
    } else {
        about
            .filter(|grant| grant.state == GrantState::InForce)
            .flat_map(|grant| &grant.causes)
            .map(ToString::to_string)
            .collect()
    };
    causes.sort();
    causes.dedup();
    causes
}

/// An account before and after an operation, one field a line.
pub fn effect(organisation: &Organisation, planned: &Planned) -> (String, String) {
    let account = planned.operation.account();
    let seen = account.and_then(|account| {
        let known = organisation.target(planned.target)?;
        known.observed.account(Sym::new(account.anchor.as_str()))
    });
    match &planned.operation {
        Operation::Create(create) => {
            let mut after = format!("username: {}\n", create.username);
            for (name, value) in &create.attributes {
                after.push_str(&format!("{name}: {value}\n"));
            }
            (String::new(), after)
        }
        Operation::Update { changes, .. } => {
            let (mut before, mut after) = (String::new(), String::new());
            for (name, value) in changes {
                if let Some(field) = seen.and_then(|seen| seen.attribute(Sym::new(name))) {
                    before.push_str(&format!("{name}: {}\n", field.value()));
                }
                if let Some(value) = value {
                    after.push_str(&format!("{name}: {value}\n"));
                }
            }
            (before, after)
        }
        Operation::Rename { account, to } => {
            (format!("username: {}\n", account.username), format!("username: {to}\n"))
        }
        Operation::Enable { .. } => ("state: disabled\n".to_owned(), "state: enabled\n".to_owned()),
        Operation::Disable { .. } => ("state: enabled\n".to_owned(), "state: disabled\n".to_owned()),
        Operation::Delete { account } => (format!("username: {}\n", account.username), String::new()),
        Operation::Grant { entitlement, .. } => {
            (String::new(), format!("{}: {}\n", entitlement.kind, entitlement.name))
        }
        Operation::Revoke { entitlement, .. } => {
            (format!("{}: {}\n", entitlement.kind, entitlement.name), String::new())
        }
        _ => (String::new(), String::new()),
    }
}
