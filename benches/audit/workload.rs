//! Records as the daemon makes them, from a seed: grants and revocations of groups on one target with many accounts.

use jiff::Timestamp;
use provost_audit::{Change, IntentItem, Kind, OutcomeResult, Record, account_path};
use serde_json::{Value, json};

/// The accounts of the target: the live files of the tree.
pub const ACCOUNTS: u64 = 100_000;
/// What they can hold.
const GROUPS: u64 = 300;
/// What each holds in the beginning.
const HELD: u64 = 4;

/// The accounts as they are, and where the seed stands.
pub struct Workload {
    accounts: Vec<Vec<u64>>,
    state: u64,
    second: i64,
    waiting: Vec<(u64, Operation)>,
}

struct Operation {
    id: String,
    account: u64,
    group: u64,
    grant: bool,
}

impl Workload {
    pub fn new() -> Workload {
        let held = |account: u64| (0..HELD).map(|n| mix(account * HELD + n) % GROUPS).collect();
        Workload {
            accounts: (0..ACCOUNTS).map(held).collect(),
            state: 7,
            second: 1_790_000_000,
            waiting: Vec::new(),
        }
    }

    /// The baseline: every account as it was adopted, 500 a record, as the daemon does.
    pub fn baseline(&mut self) -> Vec<Record> {
        let all: Vec<u64> = (0..ACCOUNTS).collect();
        let pieces = all.chunks(500);
        pieces
            .map(|piece| {
                let mut record = Record::new(Kind::Adopt, self.now(), "adopt forge");
                record.target = Some("forge".to_owned());
                record.body = json!({ "accounts": piece.len() });
                record.changes = piece.iter().map(|account| self.file(*account)).collect();
                record
            })
            .collect()
    }

    /// The next group of exactly `size` records. Its last is the intent of the next group's outcomes; groups of one are
    /// an intent and an outcome in turn. `next` is the number of its first record.
    pub fn group(&mut self, size: usize, next: u64) -> Vec<Record> {
        let mut group: Vec<Record> = Vec::with_capacity(size);
        let waiting = std::mem::take(&mut self.waiting);
        group.extend(waiting.into_iter().map(|(intent, operation)| self.outcome(intent, &operation)));
        if group.len() < size {
            let count = (size - 1).max(1);
            let operations: Vec<Operation> = (0..count).map(|_| self.operation()).collect();
            let seq = next + group.len() as u64;
            group.push(self.intent(&operations));
            self.waiting = operations.into_iter().map(|operation| (seq, operation)).collect();
        }
        group
    }

    /// Outcomes of what is still open, so that groups of another size can follow.
    pub fn settle(&mut self) -> Vec<Record> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|(intent, operation)| self.outcome(intent, &operation)).collect()
    }

    fn operation(&mut self) -> Operation {
        let account = self.random() % ACCOUNTS;
        let held = &self.accounts[account as usize];
        let group = self.state % GROUPS;
        let grant = held.len() < 6 && !held.contains(&group);
        let group = if grant { group } else { held[0] };
        let id = format!(
            "{:016x}{:016x}{:016x}{:016x}",
            self.random(),
            self.random(),
            self.random(),
            self.random()
        );
        Operation { id, account, group, grant }
    }

    fn intent(&mut self, operations: &[Operation]) -> Record {
        let mut record =
            Record::new(Kind::Intent, self.now(), format!("{} operations on forge", operations.len()));
        record.target = Some("forge".to_owned());
        record.desired_commit = Some(commit());
        let not_after = record.at + jiff::SignedDuration::from_secs(60);
        let item = |operation: &Operation| IntentItem {
            operation: operation.id.clone(),
            target: "forge".to_owned(),
            subject: identity(operation.account),
            not_after,
            call: json!({
                "causes": causes(operation),
                "drift": false,
                "identity": identity(operation.account),
                "operation": {
                    "account": { "anchor": anchor(operation.account), "username": username(operation.account) },
                    "entitlement": held(operation.group),
                    "operation": if operation.grant { "grant" } else { "revoke" },
                },
                "profile": "main",
                "tier": "low",
            }),
        };
        record.items = operations.iter().map(item).collect();
        record
    }

    fn outcome(&mut self, intent: u64, operation: &Operation) -> Record {
        let Operation { id, account, group, grant } = operation;
        let holds = &mut self.accounts[*account as usize];
        // Two operations of one intent may be about the same account.
        let had = holds.contains(group);
        holds.retain(|one| one != group);
        if *grant {
            holds.push(*group);
        }
        let verb = if *grant { "grant" } else { "revoke" };
        let summary = format!("{verb} group:g-{group} for {} on forge", identity(*account));
        let mut record = Record::new(Kind::Outcome(OutcomeResult::Applied), self.now(), summary);
        record.target = Some("forge".to_owned());
        record.subject = Some(identity(*account));
        record.operation = Some(id.clone());
        record.intent = Some(intent);
        record.desired_commit = Some(commit());
        record.priority = true;
        // What differs, as the daemon has it.
        let side = |there: bool| {
            let held = if there { vec![held(*group)] } else { Vec::new() };
            let link = json!({ "identity": identity(*account), "ours": held });
            json!({ "anchor": anchor(*account), "entitlements": held, "link": link })
        };
        record.body = json!({
            "verb": verb,
            "before": side(had),
            "after": side(*grant),
            "causes": causes(operation),
            "evidence": {},
            "drift": false,
            "tier": "low",
            "result": { "changed": true, "credential": null, "secret": null },
        });
        record.changes = vec![self.file(*account)];
        record
    }

    fn account(&self, account: u64) -> Value {
        let held: Vec<Value> = self.accounts[account as usize].iter().map(|group| held(*group)).collect();
        json!({
            "anchor": anchor(account),
            "kind": "user",
            "username": username(account),
            "state": "enabled",
            "attributes": {
                "display_name": format!("Given{} Family{}", account % 1000, account / 1000),
                "email": format!("{}@example.com", username(account)),
                "external_id": identity(account),
            },
            "entitlements": held,
            "link": { "identity": identity(account), "profile": "main", "origin": "created", "ours": held },
        })
    }

    fn file(&self, account: u64) -> Change {
        let content = format!("{:#}\n", self.account(account)).into_bytes();
        (account_path("forge", &anchor(account)), Some(content))
    }

    /// A second for every twenty records, as a busy day has it.
    fn now(&mut self) -> Timestamp {
        self.second += i64::from(self.random().is_multiple_of(20));
        Timestamp::from_second(self.second).unwrap_or_default()
    }

    fn random(&mut self) -> u64 {
        self.state = mix(self.state);
        self.state
    }
}

/// An identity of the workload: those of the first accounts have records in every part of the log.
pub fn identity(account: u64) -> String {
    format!("p-{account:06}")
}

/// The name of a group that many hold.
pub const GROUP: &str = "g-7";

fn held(group: u64) -> Value {
    json!({ "kind": "group", "name": format!("g-{group}"), "anchor": uuid(group + (1 << 40)) })
}

fn causes(operation: &Operation) -> Vec<String> {
    let role = operation.group % 40;
    vec![match operation.grant {
        true => format!(
            "role r-{role} by birthright, from 2026-11-16T00:00:00Z (person.department == 'd-{role}'), roles/r-{role}.yaml"
        ),
        false => "nothing in force gives it any more".to_owned(),
    }]
}

fn anchor(account: u64) -> String {
    uuid(account)
}

fn username(account: u64) -> String {
    format!("user{account}")
}

fn commit() -> String {
    "cbe83f8887e984b97018f7f6e587b08ffa6223fa".to_owned()
}

fn uuid(of: u64) -> String {
    let (a, b) = (mix(of), mix(of ^ u64::MAX));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// splitmix64 (Steele, Lea, Flood 2014).
fn mix(of: u64) -> u64 {
    let mut z = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
