//! When things hold: the stretch of an identity's life, its employments, and where in life it is.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::model::{Lifecycle, Window};
use crate::condition::{Asked, Post};
use crate::document::{Person, Status};
use crate::snapshot::Identity;
use crate::when::When;

/// From `from` to `until`, as documents write them.
pub(super) fn window(from: Option<When>, until: Option<When>, zone: &TimeZone) -> Window {
    Window {
        from: from.map_or(Timestamp::MIN, |from| from.begins(zone)),
        until: until.map_or(Timestamp::MAX, |until| until.ends(zone)),
    }
}

/// From `start` to `end`.
pub(super) fn life(identity: Identity<'_>, zone: &TimeZone) -> Window {
    window(identity.start(), identity.end(), zone)
}

/// Who is asked when conditions are met, and when: each employment of a person within her life, and a service all its
/// life.
pub(super) fn posts<'a>(identity: Identity<'a>, zone: &TimeZone) -> Vec<(Asked<'a>, Window)> {
    let life = life(identity, zone);
    match identity {
        Identity::Service(service) => vec![(Asked::Service(service), life)],
        Identity::Person(person) => asked(person)
            .zip(employments(person, zone))
            .map(|(asked, window)| (asked, window.and(life)))
            .collect(),
    }
}

/// Who is asked for each employment, whenever it is; the short form of a document is one, and without any a person
/// counts as having left.
pub(super) fn asked<'a>(person: &'a Person) -> impl Iterator<Item = Asked<'a>> {
    let short =
        Post { employment: person.employment, department: person.department, manager: person.manager };
    let long = person.employments.iter().map(Post::from);
    let short = (person.employments.is_empty() && person.employment.is_some()).then_some(short);
    long.chain(short).map(move |post| Asked::Person(person, Some(post)))
}

/// Who is asked at any instant, where the document says nothing of several employments.
pub(super) fn asked_always<'a>(identity: Identity<'a>) -> Option<Asked<'a>> {
    match identity {
        Identity::Service(service) => Some(Asked::Service(service)),
        Identity::Person(person) if person.employments.is_empty() => {
            Some(asked(person).next().unwrap_or(Asked::Person(person, None)))
        }
        Identity::Person(_) => None,
    }
}

/// Who is asked now: of several employments the first that is under way, else the first. An account has one set of
/// attributes, so the order in the document decides.
pub(super) fn asked_now<'a>(identity: Identity<'a>, zone: &TimeZone, now: Timestamp) -> Asked<'a> {
    let posts = posts(identity, zone);
    let current = posts.iter().find(|(_, window)| window.contains(now)).or(posts.first());
    match (current, identity) {
        (Some((asked, _)), _) => *asked,
        (None, Identity::Person(person)) => Asked::Person(person, None),
        (None, Identity::Service(service)) => Asked::Service(service),
    }
}

/// Where in life an identity is, and the next instant at which that may change.
pub(super) fn lifecycle(
    identity: Identity<'_>,
    zone: &TimeZone,
    now: Timestamp,
) -> (Lifecycle, Option<Timestamp>) {
    let life = life(identity, zone);
    let successor = match identity {
        Identity::Person(person) => person.successor,
        Identity::Service(_) => None,
    };
    if identity.status() == Status::Departed {
        let since = Some(life.until).filter(|end| *end <= now);
        return (
            Lifecycle::Left { since, successor },
            Some(life.until).filter(|end| *end > now && *end < Timestamp::MAX),
        );
    }
    let windows: Vec<Window> = posts(identity, zone).into_iter().map(|(_, window)| window).collect();
    let edges = windows.iter().flat_map(|window| [window.from, window.until]).chain([life.from, life.until]);
    let next = edges.filter(|at| *at > now && *at < Timestamp::MAX).min();
    let live = windows.iter().filter(|window| !window.is_empty());
    let state = if live.clone().any(|window| window.contains(now)) {
        if identity.status() == Status::Suspended { Lifecycle::Suspended } else { Lifecycle::Active }
    } else if let Some(end) = live.clone().map(|window| window.until).filter(|end| *end <= now).max() {
        Lifecycle::Left { since: Some(end), successor }
    } else if let Some(from) = live.map(|window| window.from).min() {
        Lifecycle::NotYet { from }
    } else {
        // No employment, or an end before the start: nothing ever began.
        Lifecycle::Left { since: Some(life.until).filter(|end| *end <= now), successor }
    };
    (state, next)
}

/// Whether what begins then has begun in every zone of the world, found without asking for the zone.
pub(super) fn surely_begun(from: Option<When>, now: Timestamp) -> bool {
    match from {
        None => true,
        Some(When::Instant(from)) => from <= now,
        // No zone is more than a day away from UTC.
        Some(When::Day(day)) => now
            .checked_sub(SignedDuration::from_hours(48))
            .is_ok_and(|before| day <= TimeZone::UTC.to_datetime(before).date()),
    }
}

fn employments(person: &Person, zone: &TimeZone) -> Vec<Window> {
    if person.employments.is_empty() {
        return vec![Window::ALWAYS];
    }
    person.employments.iter().map(|employment| window(employment.from, employment.until, zone)).collect()
}
