//! The difference between what one account is to be and what it was seen to be. Pure comparison: what is done about a
//! difference, and whether anything is, the plan decides.

use provost_sdk::{AccountKind, Capabilities, Comparison, State, Value};

use crate::Sym;
use crate::observed::{Field, Link, Seen};
use crate::set::{Key, Set};

/// What one account is to be.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The username.
    pub username: Sym,
    /// Attributes that are kept equal.
    pub enforced: &'a [Field],
    /// Attributes that are kept without a value.
    pub cleared: &'a [Sym],
    /// What it is to hold.
    pub entitlements: Set<Key>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing {
        /// Whether it was, and the target lost it.
        lost: bool,
    },
    /// It cannot sign in, and should.
    Blocked {
        /// Whether provost itself blocked it.
        ours: bool,
    },
    /// It can sign in, and should not.
    Open,
    /// It has another username.
    Username {
        /// The one that it is to have.
        to: Sym,
    },
    /// An attribute has another value.
    Attribute {
        /// What it is to be.
        to: Field,
    },
    /// An attribute has a value, and should have none.
    Cleared {
        /// Which.
        name: Sym,
    },
    /// It lacks an entitlement.
    Lacks {
        /// Which.
        key: Key,
        /// Whether provost had granted it, and somebody took it away.
        lost: bool,
    },
    /// It holds an entitlement that nothing asks for.
    Holds {
        /// Which.
        key: Key,
        /// Whether provost granted or adopted it.
        ours: bool,
    },
    /// It holds what is asked for, and that is not yet known as provost's own.
    Unclaimed {
        /// Which.
        keys: Set<Key>,
    },
}

/// The differences of one account: with what it is to be, or with not being there for anybody (`None`).
pub fn diff(
    wanted: Option<Target<'_>>,
    link: Option<&Link>,
    account: Option<&Seen>,
    capabilities: &Capabilities,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let (Some(link), Some(account)) = (link, account) else {
        if wanted.is_some() {
            differences.push(Difference::Missing { lost: link.is_some() });
        }
        return differences;
    };
    let Seen { kind, username, state, attributes, entitlements } = account;
    let Link {
        anchor: _,
        origin: _,
        ours,
        disabled,
        sessions_ended: _,
        transferred: _,
        left: _,
        credentials: _,
    } = link;
    match (wanted, state) {
        (Some(_), State::Disabled) => differences.push(Difference::Blocked { ours: disabled.is_some() }),
        (None, State::Enabled) => differences.push(Difference::Open),
        (Some(_), State::Enabled) | (None, State::Disabled) => {}
    }
    if let Some(Target { username: to, enforced, cleared, entitlements: _ }) = wanted {
        if *username != to && !capabilities.usernames.same(username.as_str(), to.as_str()) {
            differences.push(Difference::Username { to });
        }
        let kind = capabilities.account_kind(kind.as_str());
        for field in enforced {
            if !attributes.contains(*field) && !same(*field, account.attribute(field.name), kind) {
                differences.push(Difference::Attribute { to: *field });
            }
        }
        let left = cleared.iter().filter(|name| account.attribute(**name).is_some());
        differences.extend(left.map(|name| Difference::Cleared { name: *name }));
    }
    let to = wanted.map(|wanted| wanted.entitlements).unwrap_or_default();
    if *entitlements == to && (*ours == to) {
        return differences;
    }
    let mut held: Vec<Difference> = entitlements
        .iter()
        .filter(|key| !to.contains(*key))
        .map(|key| Difference::Holds { key, ours: ours.contains(key) })
        .collect();
    held.extend(
        to.iter()
            .filter(|key| !entitlements.contains(*key))
            .map(|key| Difference::Lacks { key, lost: ours.contains(key) }),
    );
    differences.extend(held);
    let keys: Set<Key> =
        to.iter().filter(|key| entitlements.contains(*key) && !ours.contains(*key)).collect();
    if !keys.is_empty() {
        differences.push(Difference::Unclaimed { keys });
    }
    differences
}

/// Whether an attribute has the value already, as the target compares it.
fn same(wanted: Field, has: Option<Field>, kind: Option<&AccountKind>) -> bool {
    let Some(has) = has else { return false };
    let comparison = kind
        .and_then(|kind| kind.attributes.iter().find(|attribute| wanted.name == *attribute.name.as_str()))
        .map_or(Comparison::Exact, |attribute| attribute.comparison);
    match (wanted.value(), has.value()) {
        (Value::Text(wanted), Value::Text(has)) => comparison.same(&wanted, &has),
        (Value::List(wanted), Value::List(has)) => {
            let fold = |values: std::collections::BTreeSet<String>| -> std::collections::BTreeSet<String> {
                values.iter().map(|value| comparison.fold(value)).collect()
            };
            fold(wanted) == fold(has)
        }
        (wanted, has) => wanted == has,
    }
}

#[cfg(test)]
mod tests {
    use provost_sdk::Attribute;

    use super::*;
    use crate::observed::Origin;

    fn capabilities(comparison: Comparison) -> Capabilities {
        let attributes = vec![Attribute { name: "email".into(), comparison, ..Attribute::default() }];
        Capabilities {
            account_kinds: vec![AccountKind { name: "user".into(), attributes }],
            usernames: comparison,
            ..Capabilities::default()
        }
    }

    fn seen(username: &str, email: &str) -> Seen {
        Seen {
            kind: "user".into(),
            username: username.into(),
            state: State::Enabled,
            attributes: Set::new([Field::new("email".into(), &email.into())]),
            entitlements: Set::empty(),
        }
    }

    #[test]
    fn what_the_target_takes_for_equal_is_no_difference() {
        let email = [Field::new("email".into(), &"Ada@Example.com".into())];
        let wanted =
            Target { username: "Ada".into(), enforced: &email, cleared: &[], entitlements: Set::empty() };
        let link = Link::new("1".into(), Origin::Created);
        let account = seen("ada", "ada@example.com");
        let of = |comparison| diff(Some(wanted), Some(&link), Some(&account), &capabilities(comparison));
        assert_eq!(of(Comparison::IgnoreCase), []);
        assert_eq!(
            of(Comparison::Exact),
            [Difference::Username { to: "Ada".into() }, Difference::Attribute { to: email[0] }]
        );
    }

    #[test]
    fn a_lost_grant_is_told_from_one_that_never_was_and_an_addition_from_what_is_ours() {
        let key = |anchor: &str| Key { kind: "team".into(), anchor: anchor.into(), role: None };
        let link =
            Link { ours: Set::new([key("lost"), key("old")]), ..Link::new("1".into(), Origin::Created) };
        let account =
            Seen { entitlements: Set::new([key("old"), key("hand"), key("found")]), ..seen("ada", "") };
        let entitlements = Set::new([key("lost"), key("new"), key("found")]);
        let wanted = Target { username: "ada".into(), enforced: &[], cleared: &[], entitlements };
        let found = diff(Some(wanted), Some(&link), Some(&account), &Capabilities::default());
        for expected in [
            Difference::Lacks { key: key("lost"), lost: true },
            Difference::Lacks { key: key("new"), lost: false },
            Difference::Holds { key: key("old"), ours: true },
            Difference::Holds { key: key("hand"), ours: false },
            Difference::Unclaimed { keys: Set::new([key("found")]) },
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn an_attribute_without_a_value_is_cleared_once() {
        let capabilities = capabilities(Comparison::Exact);
        let link = Link::new("1".into(), Origin::Created);
        let cleared = [Sym::new("email")];
        let wanted =
            Target { username: "ada".into(), enforced: &[], cleared: &cleared, entitlements: Set::empty() };
        let has = seen("ada", "ada@example.com");
        let differences = diff(Some(wanted), Some(&link), Some(&has), &capabilities);
        assert_eq!(differences, [Difference::Cleared { name: "email".into() }]);
        let has = Seen { attributes: Set::empty(), ..has };
        assert!(diff(Some(wanted), Some(&link), Some(&has), &capabilities).is_empty());
    }
}
