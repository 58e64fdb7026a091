//! What every target has to have in the end, derived from plain values without the core: who is here, which roles
//! hold, what they grant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use provost_core::Sym;
use provost_core::access::Access;
use provost_core::gate::Decision;
use provost_core::observed::Collector;
use provost_core::organisation::Organisation;
use provost_core::step::Scope;
use provost_sdk::{Account, State, Value, Verb};

use super::desired::{Grant, Person, Status, is_low};
use super::engine::{Engine, Reading};
use super::genesis::{APART, FULL, TARGETS};
use super::shell::{Shell, site_name};

/// What somebody is to have on a target.
#[derive(Default)]
struct Wanted {
    /// This has to be there.
    must: BTreeSet<Grant>,
    /// This may be there: enough people agreed once, and not all of them would count today.
    may: BTreeSet<Grant>,
}

/// What somebody is to have by target; no grant there is no account there.
fn wanted(shell: &Shell, id: &str, person: &Person, now: Timestamp) -> BTreeMap<&'static str, Wanted> {
    let mut wanted: BTreeMap<&'static str, Wanted> = BTreeMap::new();
    if !person.is_here(now) {
        return wanted;
    }
    for (role_id, role) in &shell.in_force {
        let asked = person.roles.iter().any(|held| {
            held.role == *role_id
                && held.from.is_none_or(|from| from <= now)
                && held.until.is_none_or(|until| now < until)
        });
        if !asked && !role.condition.is_some_and(|condition| condition.holds(person)) {
            continue;
        }
        for grant in &role.grants {
            if is_low(grant)
                || shell.weather.signed && shell.book.covers((id, grant), now, Some(&shell.desired))
            {
                wanted.entry(grant.0).or_default().must.insert(*grant);
            } else if shell.book.covers((id, grant), now, None) {
                wanted.entry(grant.0).or_default().may.insert(*grant);
            }
        }
    }
    // Of two that nobody is to hold together one waits, whichever came later.
    let both =
        APART.iter().all(|grant| wanted.get(grant.0).is_some_and(|wanted| wanted.must.contains(grant)));
    for grant in APART.iter().filter(|_| both) {
        let wanted = wanted.entry(grant.0).or_default();
        wanted.must.remove(grant);
        wanted.may.insert(*grant);
    }
    wanted
}

/// Everything live is what the documents say; whatever differs, in words.
pub fn differences(shell: &Shell) -> Vec<String> {
    let mut differences = Vec::new();
    let weather = &shell.weather;
    for (id, person) in &shell.desired.people {
        let wanted = wanted(shell, id, person, shell.documents_now());
        let known = shell.engine.organisation.snapshot().identity(Sym::new(id)).is_some();
        for target in TARGETS {
            let stuck = |at: &str| weather.down == Some(at) || weather.always_fails(at, Some(Sym::new(id)));
            // The second target comes after the first one.
            if stuck(target) || target == TARGETS[1] && stuck(FULL) {
                continue;
            }
            let theirs: Vec<Account> = shell.sites[target]
                .system
                .accounts()
                .filter(|account| account.attributes.get("external_id") == Some(&Value::Text(id.clone())))
                // Whoever is forgotten was out everywhere; what a hand does to such an account is reported.
                .filter(|account| known || !weather.given.contains(&(target, account.anchor.clone())))
                .collect();
            let what = one(shell, target, id, person, wanted.get(target), &theirs);
            differences.extend(
                what.map(|what| format!("{id} on {target}: {what}: {theirs:?} {person:?} known: {known}")),
            );
        }
    }
    for target in TARGETS.into_iter().filter(|target| weather.down != Some(*target)) {
        let site = &shell.sites[target];
        for account in site.system.accounts().filter(|_| site.full) {
            let stranger = !account.attributes.contains_key("external_id");
            let holds = account.entitlements.as_ref().is_some_and(|held| !held.is_empty());
            if stranger && (account.state == State::Enabled || holds) {
                differences.push(format!("a stranger on {target}: {account:?}"));
            }
        }
    }
    differences
}

fn one(
    shell: &Shell,
    target: &'static str,
    id: &str,
    person: &Person,
    wanted: Option<&Wanted>,
    accounts: &[Account],
) -> Option<String> {
    let site = &shell.sites[target];
    let name = |(kind, name, role): (&str, &str, Option<&str>)| {
        format!("{kind}:{name}#{}", role.unwrap_or_default())
    };
    let held = |account: &Account| -> BTreeSet<String> {
        let names: BTreeMap<(String, String), String> = site
            .system
            .entitlements()
            .map(|one| ((one.kind, one.anchor.as_str().to_owned()), one.name))
            .collect();
        let given = |key: &&provost_sdk::EntitlementKey| {
            site.full
                || !shell.weather.granted_by_hand.contains(&(target, account.anchor.clone(), (*key).clone()))
        };
        let keys = account.entitlements.iter().flatten().filter(given);
        keys.map(|key| {
            let named = &names[&(key.kind.clone(), key.anchor.as_str().to_owned())];
            name((&key.kind, named, key.role.as_deref()))
        })
        .collect()
    };
    let names = |grants: &BTreeSet<Grant>| grants.iter().filter_map(|grant| grant.1).map(name).collect();
    let must: BTreeSet<String> = wanted.map(|wanted| names(&wanted.must)).unwrap_or_default();
    let may: BTreeSet<String> = wanted.map(|wanted| names(&wanted.may)).unwrap_or_default();
    let grants: BTreeSet<String> = must.union(&may).cloned().collect();
    let expects = wanted.is_some() && person.status == Status::Active;
    let perhaps = wanted.is_some_and(|wanted| wanted.must.is_empty());
    match (accounts, expects) {
        ([], true) if perhaps => None,
        ([account], true) if perhaps && account.state == State::Disabled && held(account).is_subset(&may) => {
            None
        }
        ([], true) => Some("there is no account".to_owned()),
        ([], false) => None,
        ([account], true) => {
            let text = |name: &str| account.attributes.get(name).cloned();
            let held = held(account);
            let by_hand = |grant: &&String| {
                // Where the authority is additive a hand may have given what is wanted as well.
                !site.full
                    && account.entitlements.iter().flatten().count() > held.len()
                    && !held.contains(*grant)
            };
            let high = |key: &provost_sdk::EntitlementKey| {
                let mut named = site.system.entitlements().filter(|one| one.anchor == key.anchor);
                named.any(|one| one.name == "leads" || one.name == "admins")
            };
            // Whoever was given power by hand, or asks for it, is not renamed without agreement.
            let asks = person.roles.iter().any(|held| held.role == "on-call" || held.role == "admin");
            let waits = asks || account.entitlements.iter().flatten().any(high);
            let lacks = must.iter().any(|grant| !held.contains(grant) && !by_hand(&grant));
            match () {
                () if account.state != State::Enabled => Some("it cannot sign in".to_owned()),
                () if account.username != person.username && !waits => {
                    Some(format!("its name is not {}", person.username))
                }
                () if person.service.is_none()
                    && !waits
                    && text("email") != Some(Value::Text(format!("{id}@example.com"))) =>
                {
                    Some("its address is another".to_owned())
                }
                () if person.service.is_none()
                    && text("display_name") != Some(Value::Text(format!("N{}", person.title))) =>
                {
                    Some("its display name is another".to_owned())
                }
                () if lacks || !held.is_subset(&grants) => {
                    Some(format!("it holds {held:?} and not {must:?}, or beside it {may:?}"))
                }
                () => None,
            }
        }
        (accounts, expects) => {
            if expects && accounts.len() > 1 {
                return Some("there are several accounts".to_owned());
            }
            accounts.iter().find_map(|account| {
                let held = held(account);
                match () {
                    () if account.state == State::Enabled => Some("it can still sign in".to_owned()),
                    () if !held.is_subset(&grants) => Some(format!("it still holds {held:?}")),
                    () => None,
                }
            })
        }
    }
}

/// Services have their credential, and nobody else has one.
pub fn credentials(shell: &Shell) -> Vec<String> {
    let mut wrong = Vec::new();
    let system = &shell.sites[FULL].system;
    for account in system.accounts().filter(|_| shell.weather.down != Some(FULL)) {
        let Some(Value::Text(id)) = account.attributes.get("external_id") else { continue };
        let of = |verbs: &[Verb]| {
            let ledger = system.ledger().iter().filter(|done| done.account.as_ref() == Some(&account.anchor));
            ledger.filter(|done| verbs.contains(&done.operation.verb())).count()
        };
        let issued = of(&[Verb::IssueCredential, Verb::RotateCredential]);
        let wants = shell.desired.people.get(id).is_some_and(|service| {
            service.service == Some(true) && service.roles.iter().all(|held| held.role == "robot")
        });
        if account.state == State::Enabled && wants && issued == 0 && !shell.weather.always_fails(FULL, None)
        {
            wrong.push(format!("{id} has no credential: {account:?}"));
        }
        if issued > 0 && !id.starts_with("s-") {
            wrong.push(format!("{id} has a credential: {account:?}"));
        }
    }
    wrong
}

/// A further plan of everything is empty but for what cannot work.
pub fn still_planned(shell: &mut Shell) -> Vec<String> {
    let decided = shell.engine.organisation.plan(None, &Scope::All, shell.clock());
    let weather = &shell.weather;
    let operations = decided.plan.operations.iter().zip(&decided.decisions);
    let open = operations.filter(|(planned, decision)| {
        let target = site_name(planned.target);
        let stuck = |at: &str| weather.down == Some(at) || weather.always_fails(at, planned.identity);
        // A credential may be due at just this instant.
        let due = matches!(planned.verb(), Verb::RotateCredential | Verb::RevokeCredential);
        let never = stuck(target) || (target == TARGETS[1] && stuck(FULL));
        **decision == Decision::Proceed && !due && !never
    });
    open.map(|(planned, _)| format!("still planned: {:?} {:?}", planned.identity, planned.operation))
        .collect()
}

/// What was kept up to date equals what a new process makes of the log, the branch and the targets.
pub fn kept_is_whole(shell: &mut Shell) -> Vec<String> {
    let now = shell.documents_now();
    let (mut whole, _) = Engine::open(&shell.log, &shell.commits, now);
    let mut log = shell.log.clone();
    log.broken = false;
    for (target, site) in &mut shell.sites {
        if shell.weather.down == Some(*target) {
            continue;
        }
        let name = Sym::new(target);
        let mut found = Collector::begin(now, None);
        let capabilities = site.system.describe();
        let faults = std::mem::take(&mut site.system.faults);
        let read = site.system.observe(None, &mut found).expect("nothing is wrong with it");
        site.system.faults = faults;
        let reading = Reading { target: name, capabilities, found, read };
        whole.organisation.resume(name, now);
        if let Err(why) = whole.merge(reading, &mut log, now) {
            return vec![why];
        }
    }
    whole.organisation.advance(now);
    whole.reconsider(&shell.commits, &mut log, now);
    shell.engine.organisation.advance(now);
    // Whoever has left everywhere is forgotten by the next commit.
    for organisation in [&mut whole.organisation, &mut shell.engine.organisation] {
        organisation.amend(Vec::new(), false, now);
    }
    let (kept, whole) = (view(&shell.engine.organisation), view(&whole.organisation));
    let differ = |(name, kept): (&String, &String)| {
        let other = whole.get(name);
        (other != Some(kept)).then(|| format!("{name}: kept {kept}, whole {other:?}"))
    };
    let missing = whole
        .keys()
        .filter(|name| !kept.contains_key(*name))
        .map(|name| format!("{name}: only in the whole"));
    kept.iter().filter_map(differ).chain(missing).collect()
}

/// Everything that can be asked of documents and access, by name.
fn view(organisation: &Organisation) -> BTreeMap<String, String> {
    let (snapshot, access): (_, &Access) = (organisation.snapshot(), organisation.access());
    let mut view = BTreeMap::new();
    for identity in snapshot.identities() {
        let id = identity.id();
        let mut wanted = Vec::new();
        for target in TARGETS {
            for one in access.wanted(id, Sym::new(target)) {
                let mut specs: Vec<String> = one.entitlements.iter().map(|spec| spec.to_string()).collect();
                specs.sort();
                wanted.push(format!("{target}: {specs:?}"));
            }
        }
        view.insert(format!("{id} has"), format!("{:?} {wanted:?}", access.lifecycle(id)));
        view.insert(format!("{id} is"), format!("{identity:?}"));
    }
    let mut waiting: Vec<String> = access.waiting().map(|waiting| format!("{waiting:?}")).collect();
    waiting.sort();
    view.insert("waiting".to_owned(), waiting.join("\n"));
    let problems: Vec<String> = snapshot.problems().iter().map(|problem| problem.to_string()).collect();
    view.insert("problems".to_owned(), problems.join("\n"));
    let roles: Vec<String> = snapshot.roles().iter().map(|role| format!("{role:?}")).collect();
    view.insert("roles".to_owned(), roles.join("\n"));
    let rules: Vec<String> = snapshot
        .waiting_rules()
        .iter()
        .map(|rule| format!("{:?} {:?} {:?}", rule.kind, rule.id, rule.tier))
        .collect();
    view.insert("waiting rules".to_owned(), rules.join("\n"));
    view
}
