//! What must hold inside one document beyond its shape. What holds between documents is the snapshot's to check.

mod identity;
mod rules;

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Document, FieldPath, GrantSpec, Problem};
use crate::Sym;
use crate::when::When;

/// What is wrong in one document, by field; lines are found later ([`Problem::locate`]).
pub(super) fn check(file: Sym, document: &Document) -> Vec<Problem> {
    let mut check = Check { file, zone: TimeZone::UTC, problems: Vec::new() };
    check.id(&FieldPath::root, "id", document.id());
    match document {
        Document::Person(person) => identity::person(&mut check, person),
        Document::Service(service) => identity::service(&mut check, service),
        Document::Role(role) => rules::role(&mut check, role),
        Document::Target(target) => rules::target(&mut check, target),
        Document::Tiers(tiers) => rules::tiers(&mut check, tiers),
        Document::ApproverGroup(group) => rules::approver_group(&mut check, group),
        Document::Guards(policy) => rules::guard_policy(&mut check, policy),
        Document::Separation(separation) => rules::separation(&mut check, separation),
        Document::Lifecycle(lifecycle) => {
            rules::leaver(&mut check, &FieldPath::field("leaver"), &lifecycle.leaver)
        }
        Document::Freeze(freeze) => rules::freeze(&mut check, freeze),
        Document::BreakGlass(policy) => rules::break_glass(&mut check, policy),
        Document::DaemonKeys(policy) => check.ssh_keys(&policy.keys, true),
        Document::Scenario(scenario) => rules::scenario(&mut check, scenario),
        // Their parsers refuse whatever is wrong with them.
        Document::AllowedSigners(_) | Document::RevokedKeys(_) => {}
    }
    check.problems
}

/// What an id looks like, as a regular expression for editors; [`is_id`] is the same.
pub(super) const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

/// Whether a text may be an id: letters, digits, `.`, `_` and `-`, beginning with a letter or digit, at most 64. So
/// an id can stand in a path, a ref and a message as it is.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Characters of one text at most. The longest that people write, a condition, stays far below.
const LONGEST_TEXT: usize = 4096;

/// The zones of the time zone database, as it was when this was built: asking it opens no file.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The problems found so far. Places are closures, because most documents have none.
struct Check {
    file: Sym,
    zone: TimeZone,
    problems: Vec<Problem>,
}

/// Where a check is.
type At<'a> = &'a dyn Fn() -> FieldPath;

impl Check {
    fn error(&mut self, at: FieldPath, code: &'static str, message: impl Into<String>) -> &mut Problem {
        self.push(Problem::error(self.file, at, code, message))
    }

    fn warning(&mut self, at: FieldPath, code: &'static str, message: impl Into<String>) -> &mut Problem {
        self.push(Problem::warning(self.file, at, code, message))
    }

    fn push(&mut self, problem: Problem) -> &mut Problem {
        self.problems.push(problem);
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// The id of a document, or one that refers to it.
    fn id(&mut self, at: At<'_>, field: &str, id: Sym) {
        if !is_id(id.as_str()) {
            let message = format!("`{}` is no id", super::tree::shown(id.as_str()));
            self.error(at().key(field), "id", message).hint =
                Some("use letters, digits, `.`, `_` and `-`, at most 64".to_owned());
        }
    }

    fn some_id(&mut self, field: &str, id: Option<Sym>) {
        id.into_iter().for_each(|id| self.id(&FieldPath::root, field, id));
    }

    /// Ids of a list, each once.
    fn ids(&mut self, at: At<'_>, ids: &[Sym]) {
        for (place, id) in ids.iter().enumerate() {
            if !is_id(id.as_str()) {
                let message = format!("`{}` is no id", super::tree::shown(id.as_str()));
                self.error(at().index(place), "id", message);
            }
            if ids[..place].contains(id) {
                self.warning(at().index(place), "repeated", format!("`{id}` is named here twice"));
            }
        }
    }

    /// Who answers for something: there is somebody.
    fn owners(&mut self, owners: &[Sym]) {
        let at = || FieldPath::field("owners");
        if owners.is_empty() {
            self.error(at(), "no-owner", "there is no owner").hint =
                Some("name at least one person by id: the first active one acts".to_owned());
        }
        self.ids(&at, owners);
    }

    /// A text in one line.
    fn line(&mut self, at: At<'_>, field: &str, text: Sym) {
        if text.as_str().contains('\n') {
            self.error(at().key(field), "text", "this text is one line, and has several here");
        }
        self.text(at, field, text);
    }

    fn some_line(&mut self, field: &str, text: Option<Sym>) {
        text.into_iter().for_each(|text| self.line(&FieldPath::root, field, text));
    }

    /// A text that may have several lines.
    fn text(&mut self, at: At<'_>, field: &str, text: Sym) {
        let text = text.as_str();
        let wrong = if text.trim().is_empty() {
            "there is no text here"
        } else if text.len() > LONGEST_TEXT {
            "this text is too long"
        } else if text.contains(|c| super::plain::is_hidden(c) || c == '\t' || c == '\r') {
            "there is a character in this text that cannot be seen"
        } else if text.starts_with(' ') || text.trim_end_matches('\n').ends_with(' ') {
            "there is a space before or after this text"
        } else {
            return;
        };
        self.error(at().key(field), "text", wrong);
    }

    fn some_text(&mut self, field: &str, text: Option<Sym>) {
        text.into_iter().for_each(|text| self.text(&FieldPath::root, field, text));
    }

    /// An interval with something in it; `last` names the field that ends it.
    fn interval(&mut self, at: At<'_>, last: &str, from: Option<When>, until: Option<When>) {
        if let (Some(from), Some(until)) = (from, until)
            && from.begins(&self.zone) >= until.ends(&self.zone)
        {
            let message = format!("it ends ({until}) before it begins ({from})");
            self.error(at().key(last), "order", message);
        }
    }

    fn grant(&mut self, at: At<'_>, grant: &GrantSpec) {
        let GrantSpec { target, profile, entitlement } = grant;
        self.id(at, "target", *target);
        profile.iter().for_each(|profile| self.id(at, "profile", *profile));
        if let Some(entitlement) = entitlement {
            self.id(at, entitlement.kind.as_str(), entitlement.kind);
            self.line(at, entitlement.kind.as_str(), entitlement.name);
            entitlement.role.iter().for_each(|role| self.line(at, "role", *role));
        }
    }

    fn grants(&mut self, field: &str, grants: &[GrantSpec]) {
        for (place, grant) in grants.iter().enumerate() {
            let at = || FieldPath::field(field).index(place);
            self.grant(&at, grant);
            if grants[..place].contains(grant) {
                self.warning(at(), "repeated", "this stands here twice");
            }
        }
    }

    /// Public keys in OpenSSH's one-line format.
    fn ssh_keys(&mut self, keys: &[Sym], needed: bool) {
        let at = || FieldPath::field("keys");
        if needed && keys.is_empty() {
            self.error(at(), "empty", "there is no key");
        }
        for (place, key) in keys.iter().enumerate() {
            let text = key.as_str();
            if text.contains("PRIVATE KEY") {
                self.error(
                    at().index(place),
                    "secret",
                    "this is a private key, and it is in the history now",
                )
                .hint = Some(
                    "replace that key, and write the public one here (the file that ends in .pub)".to_owned(),
                );
            } else if !is_ssh_key(text) {
                self.error(at().index(place), "ssh-key", "this is no public SSH key").hint =
                    Some("write one line, such as `ssh-ed25519 AAAA… name`".to_owned());
            }
            if keys[..place].contains(key) {
                self.warning(at().index(place), "repeated", "this key stands here twice");
            }
        }
    }
}

/// Types of public keys that sign. RSA is left out where it is short, which its blob says and a verifier checks.
pub(crate) const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Whether a text has the shape of one line of OpenSSH's public key format (sshd(8), AUTHORIZED_KEYS, without
/// options): type, base64, comment. Every blob begins with the length of its type, whose first bytes are zero.
fn is_ssh_key(text: &str) -> bool {
    let mut words = text.split(' ');
    let (Some(kind), Some(blob)) = (words.next(), words.next()) else { return false };
    let data = blob.trim_end_matches('=');
    KEY_TYPES.contains(&kind)
        && !text.contains('\n')
        && blob.len() % 4 == 0
        && blob.len() - data.len() <= 2
        && blob.len() >= 64
        && data.starts_with("AAAA")
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
