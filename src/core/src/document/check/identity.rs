//! People and services.

use super::{At, Check, ZONES};
use crate::Sym;
use crate::document::{
    AccountOverride, Assignment, DirectGrant, Few, FieldPath, OneOrMany, Person, Service, Status,
};

pub(super) fn person(check: &mut Check, person: &Person) {
    let root = FieldPath::root;
    zone(check, person.timezone);
    let name = || FieldPath::field("name");
    let parts =
        [("given", person.name.given), ("family", person.name.family), ("display", person.name.display)];
    if parts.iter().all(|(_, part)| part.is_none()) {
        check.error(name(), "missing-field", "there is no name").hint =
            Some("write `given` and `family`, or `display`".to_owned());
    }
    for (field, part) in parts {
        part.into_iter().for_each(|part| check.line(&name, field, part));
    }
    username(check, &root, person.username);
    if let Some(email) = person.email
        && !is_email(email.as_str())
    {
        check.error(FieldPath::field("email"), "email", "this is no address for mail").hint =
            Some("write it as name@example.com".to_owned());
    }
    let lines = [
        ("title", person.title),
        ("location", person.location),
        ("phone", person.phone),
        ("employee_number", person.employee_number),
        ("cost_center", person.cost_center),
    ];
    lines.into_iter().for_each(|(field, text)| check.some_line(field, text));
    for (field, other) in
        [("successor", person.successor), ("sponsor", person.sponsor), ("manager", person.manager)]
    {
        check.some_id(field, other);
        if other == Some(person.id) {
            check.error(FieldPath::field(field), "self", format!("nobody is the own {field}"));
        }
    }
    employments(check, person);
    attributes(check, &person.attributes);
    check.ssh_keys(&person.keys, false);
    assignments(check, &person.roles);
    direct_grants(check, &person.grants);
    accounts(check, &person.accounts);
}

pub(super) fn service(check: &mut Check, service: &Service) {
    check.owners(&service.owners);
    check.some_text("purpose", Some(service.purpose));
    check.ids(&|| FieldPath::field("holders"), &service.holders);
    service.username.into_iter().for_each(|name| username(check, &FieldPath::root, name));
    check.some_line("name", service.name);
    check.interval(&FieldPath::root, "end", service.start, service.end);
    attributes(check, &service.attributes);
    assignments(check, &service.roles);
    direct_grants(check, &service.grants);
    accounts(check, &service.accounts);
    for (place, credential) in service.credentials.iter().enumerate() {
        let at = || FieldPath::field("credentials").index(place);
        check.id(&at, "target", credential.target);
        check.id(&at, "kind", credential.credential);
        check.id(&at, "deliver", credential.deliver);
        if credential.rotate.is_some_and(|rotate| rotate.0.is_zero()) {
            check.error(
                at().key("rotate"),
                "duration",
                "a credential that is good for no time cannot be used",
            );
        }
        let is_same = |other: &crate::document::ServiceCredential| {
            (other.target, other.credential, other.deliver)
                == (credential.target, credential.credential, credential.deliver)
        };
        if service.credentials[..place].iter().any(is_same) {
            check.error(at(), "repeated", "this credential stands here twice");
        }
    }
}

fn zone(check: &mut Check, name: Option<Sym>) {
    let Some(name) = name else { return };
    match ZONES.get(name.as_str()) {
        Ok(zone) => check.zone = zone,
        Err(_) => {
            let near = ZONES
                .available()
                .map(|known| known.to_string())
                .find(|known| crate::spelling::nearest(name.as_str(), [known.as_str()]).is_some());
            let message = format!("there is no time zone `{}`", crate::document::tree::shown(name.as_str()));
            check.error(FieldPath::field("timezone"), "timezone", message).hint = Some(near.map_or_else(
                || "write an IANA name, such as Europe/Berlin".to_owned(),
                |near| format!("did you mean `{near}`?"),
            ));
        }
    }
}

fn employments(check: &mut Check, person: &Person) {
    let short =
        [("employment", person.employment), ("department", person.department), ("manager", person.manager)];
    check.some_line("employment", person.employment);
    check.some_line("department", person.department);
    check.interval(&FieldPath::root, "end", person.start, person.end);
    let first_short = short.into_iter().find(|(_, value)| value.is_some());
    match first_short {
        Some((field, _)) if !person.employments.is_empty() => {
            let message =
                format!("`{field}` is short for one employment, and `employments` are written out as well");
            check.error(FieldPath::field(field), "contradiction", message).hint =
                Some("keep one of the two".to_owned());
        }
        Some((field, _)) if person.employment.is_none() => {
            let message = format!("`{field}` belongs to an employment, and there is none");
            check.error(FieldPath::field(field), "contradiction", message).hint =
                Some("write `employment: employee`, or another type".to_owned());
        }
        None if person.employments.is_empty() && person.status != Status::Departed => {
            check
                .warning(
                    FieldPath::field("employment"),
                    "no-employment",
                    "without an employment a person counts as having left",
                )
                .hint = Some("write `employment: employee`, or another type".to_owned());
        }
        _ => {}
    }
    let mut is_guest = person.employment.is_some_and(|kind| kind == *"guest");
    for (place, employment) in person.employments.iter().enumerate() {
        let at = || FieldPath::field("employments").index(place);
        check.line(&at, "type", employment.kind);
        employment.department.iter().for_each(|department| check.line(&at, "department", *department));
        employment.manager.iter().for_each(|manager| check.id(&at, "manager", *manager));
        if employment.manager == Some(person.id) {
            check.error(at().key("manager"), "self", "nobody is the own manager");
        }
        check.interval(&at, "until", employment.from, employment.until);
        is_guest |= employment.kind == *"guest";
    }
    if is_guest && person.sponsor.is_none() {
        check.warning(FieldPath::root(), "no-sponsor", "nobody answers for this guest").hint =
            Some("name a person as `sponsor`".to_owned());
    }
}

fn username(check: &mut Check, at: At<'_>, name: Sym) {
    if !is_username(name.as_str()) {
        let message = format!("`{}` is no name to sign in with", crate::document::tree::shown(name.as_str()));
        check.error(at().key("username"), "username", message).hint =
            Some("use letters and digits, and `.`, `_`, `-`, `+`, `@` or `'` between them".to_owned());
    }
}

fn attributes(check: &mut Check, attributes: &Few<Sym>) {
    let at = || FieldPath::field("attributes");
    for (name, value) in attributes {
        check.id(&at, name.as_str(), *name);
        check.line(&at, name.as_str(), *value);
    }
}

fn assignments(check: &mut Check, roles: &[Assignment]) {
    for (place, assignment) in roles.iter().enumerate() {
        let at = || FieldPath::field("roles").index(place);
        check.id(&at, "role", assignment.role);
        check.interval(&at, "until", assignment.from, assignment.until);
        assignment.reason.iter().for_each(|reason| check.text(&at, "reason", *reason));
        if roles[..place].contains(assignment) {
            check.warning(at(), "repeated", "this stands here twice");
        }
    }
}

fn direct_grants(check: &mut Check, grants: &[DirectGrant]) {
    for (place, grant) in grants.iter().enumerate() {
        let at = || FieldPath::field("grants").index(place);
        check.grant(&at, &grant.grant);
        check.interval(&at, "until", grant.from, Some(grant.until));
        check.text(&at, "reason", grant.reason);
        if grants[..place].contains(grant) {
            check.warning(at(), "repeated", "this stands here twice");
        }
    }
}

fn accounts(check: &mut Check, accounts: &Few<OneOrMany>) {
    let at = || FieldPath::field("accounts");
    for (target, account) in accounts {
        check.id(&at, target.as_str(), *target);
        let at = || FieldPath::field("accounts").key(target.as_str());
        match account {
            OneOrMany::Main(account) => account_override(check, &at, account),
            OneOrMany::Profiles(profiles) => {
                for (profile, account) in profiles {
                    check.id(&at, profile.as_str(), *profile);
                    account_override(check, &|| at().key(profile.as_str()), account);
                }
            }
        }
    }
}

/// A username here is that of a foreign system, which has its own rules.
fn account_override(check: &mut Check, at: At<'_>, account: &AccountOverride) {
    if account.username.is_none() && account.anchor.is_none() {
        check.error(at(), "empty", "nothing differs here").hint =
            Some("write `username` or `anchor`, or leave the account out".to_owned());
    }
    account.username.iter().for_each(|name| check.line(at, "username", *name));
    account.anchor.iter().for_each(|anchor| check.line(at, "anchor", *anchor));
}

/// Whether systems will take a name to sign in with: letters and digits of any script at both ends, a few signs in
/// between, at most 128 bytes.
fn is_username(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(char::is_alphanumeric)
        && text.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@' | '\'' | '$' | '#'))
}

/// Whether a text has the shape of an address (RFC 5321 section 4.1.2, without quoted local parts and address
/// literals, with letters of any script as in RFC 6531).
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    (1..=64).contains(&local.len())
        && domain.len() <= 253
        && local.chars().all(is_local)
        && local.split('.').all(|part| !part.is_empty())
        && domain.split('.').all(is_label)
}
