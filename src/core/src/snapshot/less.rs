//! What takes away, taken from a document that does not count and applied to the one that does.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::Sym;
use crate::document::{Assignment, DirectGrant, Document, Employment, Lessened, Status};
use crate::when::When;

/// Applies what takes away. It never adds: what the document does not hold already stays absent. True if the document
/// is different now.
pub(super) fn lessen(document: &mut Document, less: &Lessened, zones: &TimeZoneDatabase) -> bool {
    let zone = match document {
        Document::Person(person) => zone(person.timezone, zones),
        _ => TimeZone::UTC,
    };
    match document {
        Document::Person(person) => {
            let status = lower(&mut person.status, less.status);
            let end = earlier(&mut person.end, less.end, &zone);
            let roles = less.roles.as_ref().is_some_and(|named| keep_roles(&mut person.roles, named, &zone));
            let grants =
                less.grants.as_ref().is_some_and(|named| keep_grants(&mut person.grants, named, &zone));
            let employments =
                less.employments.as_ref().is_some_and(|named| shorten(&mut person.employments, named, &zone));
            status | end | roles | grants | employments
        }
        Document::Service(service) => {
            let status = lower(&mut service.status, less.status);
            let end = earlier(&mut service.end, less.end, &zone);
            let roles = less.roles.as_ref().is_some_and(|named| keep_roles(&mut service.roles, named, &zone));
            let grants =
                less.grants.as_ref().is_some_and(|named| keep_grants(&mut service.grants, named, &zone));
            status | end | roles | grants
        }
        _ => false,
    }
}

fn zone(name: Option<Sym>, zones: &TimeZoneDatabase) -> TimeZone {
    name.and_then(|name| zones.get(name.as_str()).ok()).unwrap_or(TimeZone::UTC)
}

fn lower(status: &mut Status, less: Option<Status>) -> bool {
    let rank = |status: Status| match status {
        Status::Active => 0,
        Status::Suspended => 1,
        Status::Departed => 2,
    };
    match less {
        Some(less) if rank(less) > rank(*status) => {
            *status = less;
            true
        }
        _ => false,
    }
}

/// The earlier of two ends; none is never.
fn earlier(end: &mut Option<When>, other: Option<When>, zone: &TimeZone) -> bool {
    let sooner = match (*end, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(other)) => other.ends(zone) < end.ends(zone),
    };
    if sooner {
        *end = other;
    }
    sooner
}

/// The latest of several ends: none if one of them never ends.
fn latest(ends: impl Iterator<Item = Option<When>>, zone: &TimeZone) -> Option<When> {
    ends.reduce(|left, right| match (left, right) {
        (Some(left), Some(right)) if left.ends(zone) < right.ends(zone) => Some(right),
        (Some(left), Some(_)) => Some(left),
        _ => None,
    })
    .flatten()
}

fn keep_roles(held: &mut Vec<Assignment>, named: &[Assignment], zone: &TimeZone) -> bool {
    let before = held.len();
    held.retain(|held| named.iter().any(|named| named.role == held.role));
    let mut changed = held.len() != before;
    for held in held {
        let same = || named.iter().filter(|named| named.role == held.role);
        // Several assignments of one role differ in their times: one that is named as it was stays as it is.
        if !same().any(|named| (named.from, named.until) == (held.from, held.until)) {
            changed |= earlier(&mut held.until, latest(same().map(|named| named.until), zone), zone);
        }
    }
    changed
}

fn keep_grants(held: &mut Vec<DirectGrant>, named: &[DirectGrant], zone: &TimeZone) -> bool {
    let before = held.len();
    held.retain(|held| named.iter().any(|named| named.grant == held.grant));
    let mut changed = held.len() != before;
    for held in held {
        let same = || named.iter().filter(|named| named.grant == held.grant);
        if !same().any(|named| (named.from, named.until) == (held.from, held.until)) {
            let mut until = Some(held.until);
            changed |= earlier(&mut until, latest(same().map(|named| Some(named.until)), zone), zone);
            held.until = until.unwrap_or(held.until);
        }
    }
    changed
}

/// Only an earlier end of an employment that is still named counts. One that is no longer named may have been replaced
/// by another (a move), which waits: without either the person would count as having left.
fn shorten(held: &mut [Employment], named: &[Employment], zone: &TimeZone) -> bool {
    let mut changed = false;
    for held in held {
        let same = |named: &&Employment| {
            (named.kind, named.department, named.from) == (held.kind, held.department, held.from)
        };
        let ends = latest(named.iter().filter(same).map(|named| named.until), zone);
        changed |= earlier(&mut held.until, ends, zone);
    }
    changed
}
