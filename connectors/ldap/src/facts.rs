//! What is known of one server, and how its entries are named, found and read by it.

use jiff::{SignedDuration, Timestamp};
use ldap3::controls::{Assertion, MakeCritical, RawControl};
use ldap3::{Scope, ldap_escape};
use provost_sdk::{Account, Anchor, Attributes, Error, ErrorKind, Result, State, Value};

use crate::dn::Dn;
use crate::entry::{Entry, NEVER, from_filetime, from_generalized, guid};
use crate::flavour::{Flavour, Kind};
use crate::server::{Aim, Query, Session};
use crate::settings::Config;

/// The only kind of account.
pub(crate) const ACCOUNT: &str = "user";
/// The attribute that tells until when an account may sign in, whatever the flavour calls it.
pub(crate) const EXPIRES: &str = "expires";
/// `pwdAccountLockedTime` of an account that nobody but an administrator unlocks (draft-behera-ldap-password-policy,
/// 5.3.3). Every other value is a lock after wrong passwords, which passes.
pub(crate) const LOCKED: &str = "000001010000Z";
/// Of `userAccountControl` (MS-ADTS 2.2.16).
pub(crate) const ACCOUNT_DISABLED: u32 = 0x2;
/// Domain Users: the primary group that everybody has and that is not shown.
const DOMAIN_USERS: u32 = 513;

/// Supported controls and capabilities, by number.
const ASSERTION: &str = "1.3.6.1.1.12";
const CONTENT_SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

/// What does not change while the target is open.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub flavour: Flavour,
    /// What the server calls itself.
    pub product: String,
    /// The anchor of the tree's top, which all its replicas share.
    pub instance: Option<String>,
    /// Active Directory: which of its servers answers, where it shows what was deleted.
    pub update_server: Option<String>,
    /// The top of the tree that accounts are in.
    pub root: Dn,
    /// The server's clock less ours.
    pub skew: Option<SignedDuration>,
    /// Whether a write can be bound to the entry's anchor.
    asserts: bool,
    /// OpenLDAP: whether it tells what changed (RFC 4533).
    pub syncs: bool,
    /// Whether accounts can be locked, can expire, and tell when their password changed.
    pub locks: bool,
    pub expires: bool,
    pub dates_passwords: bool,
    /// How accounts are found, named and made here.
    pub account_filter: String,
    pub username: String,
    pub rdn: String,
    pub object_classes: Vec<String>,
    pub attributes: Vec<String>,
    pub kinds: Vec<&'static Kind>,
}

impl Facts {
    /// Asks the server, once.
    pub(crate) async fn ask(config: &Config, session: &mut Session<'_>) -> Result<Facts> {
        let root_dse = Query {
            base: "",
            scope: Scope::Base,
            filter: "(objectClass=*)",
            attributes: &[
                "objectClass",
                "namingContexts",
                "defaultNamingContext",
                "supportedControl",
                "supportedCapabilities",
                "vendorName",
                "vendorVersion",
                "dsServiceName",
                "dnsHostName",
                "currentTime",
                "subschemaSubentry",
            ],
        };
        let wrong = |message: String| Error::new(ErrorKind::Configuration, message);
        let dse = session.one(root_dse).await?;
        let dse = dse.ok_or_else(|| wrong("The server does not show what it is (its root DSE).".into()))?;
        let seen = detect(&dse);
        let flavour = match (config.flavour, seen) {
            (Some(told), Some(seen)) if told != seen => {
                let (told, seen) = (told.word(), seen.word());
                return Err(wrong(format!(
                    "`flavour` is `{told}`, and the server is of the flavour `{seen}`."
                )));
            }
            (Some(flavour), _) | (None, Some(flavour)) => flavour,
            (None, None) => {
                return Err(wrong(
                    "The server does not say of which flavour it is: set `flavour` to the one that is nearest.".into(),
                ));
            }
        };
        let tops: Vec<Dn> = dse.texts("namingContexts").iter().filter_map(|dn| Dn::parse(dn).ok()).collect();
        let top =
            tops.into_iter().filter(|top| config.accounts.is_within(top)).max_by_key(|top| top.key().len());
        let Some(root) = top else {
            return Err(wrong(format!("`accounts`: {} is in no tree of the server.", config.accounts)));
        };
        let schema = Schema::read(session, dse.text("subschemaSubentry"), flavour).await?;
        let supports = |control: &str| dse.texts("supportedControl").iter().any(|known| known == control);
        let now = Timestamp::now();
        let expiry = flavour.expiry();
        let mut facts = Facts {
            flavour,
            product: product(&dse, flavour),
            instance: None,
            skew: dse.text("currentTime").and_then(from_generalized).map(|time| time.duration_since(now)),
            update_server: None,
            asserts: supports(ASSERTION),
            syncs: supports(CONTENT_SYNC) && flavour == Flavour::OpenLdap,
            locks: schema.knows(flavour.lock()),
            expires: expiry.is_some_and(|name| schema.knows(name)),
            dates_passwords: schema.knows(flavour.password_changed()),
            account_filter: config.account_filter.clone().unwrap_or_else(|| flavour.account_filter().into()),
            username: config.username.clone().unwrap_or_else(|| flavour.username().into()),
            rdn: config.rdn.clone().unwrap_or_else(|| flavour.rdn().into()),
            object_classes: config.object_classes.clone().unwrap_or_else(|| owned(flavour.object_classes())),
            attributes: config.attributes.clone().unwrap_or_else(|| owned(flavour.attributes())),
            kinds: config.kinds.clone().unwrap_or_else(|| flavour.kinds().to_vec()),
            root,
        };
        let anchor = [flavour.anchor()];
        let top = Query {
            base: facts.root.as_str(),
            scope: Scope::Base,
            filter: "(objectClass=*)",
            attributes: &anchor,
        };
        let top = session.one(top).await?;
        facts.instance = top.and_then(|top| facts.anchor(&top)).map(|anchor| anchor.0);
        if let (Flavour::ActiveDirectory, Some(service)) = (flavour, dse.text("dsServiceName")) {
            facts.update_server = update_server(session, &facts.root, service).await?;
        }
        Ok(facts)
    }

    /// The anchor of an entry; none where it is hidden.
    pub(crate) fn anchor(&self, entry: &Entry) -> Option<Anchor> {
        match self.flavour {
            Flavour::ActiveDirectory => guid(entry.bytes("objectGUID")?).map(Anchor),
            flavour => entry.text(flavour.anchor()).map(|text| Anchor(text.to_lowercase())),
        }
    }

    /// The filter of the one entry with this anchor; none for what can be no anchor here.
    pub(crate) fn by_anchor(&self, anchor: &Anchor) -> Option<String> {
        let text = anchor.as_str();
        match self.flavour {
            Flavour::Ds389 => {
                let parts: Vec<&str> = text.split('-').collect();
                let hex = |part: &&str| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
                (parts.len() == 4 && parts.iter().all(hex)).then(|| format!("(nsUniqueId={text})"))
            }
            flavour => {
                let id = uuid::Uuid::parse_str(text).ok().filter(|id| id.to_string() == text)?;
                Some(match flavour {
                    Flavour::ActiveDirectory => format!("(objectGUID={})", escaped(&id.to_bytes_le())),
                    _ => format!("(entryUUID={id})"),
                })
            }
        }
    }

    /// The filter of accounts that also match this.
    pub(crate) fn accounts_that(&self, filter: &str) -> String {
        format!("(&{}{filter})", self.account_filter)
    }

    /// The filter of every group.
    pub(crate) fn groups(&self) -> String {
        let classes = self.kinds.iter().map(|kind| format!("(objectClass={})", kind.class(self.flavour)));
        format!("(|{})", classes.collect::<String>())
    }

    /// The filter of the account of this name.
    pub(crate) fn by_username(&self, username: &str) -> String {
        self.accounts_that(&format!("({}={})", self.username, ldap_escape(username)))
    }

    /// The attributes that say what an account is.
    pub(crate) fn account_attributes(&self) -> Vec<&str> {
        let mut names = vec![self.flavour.anchor(), self.username.as_str()];
        names.extend(self.locks.then_some(self.flavour.lock()));
        names.extend(self.flavour.expiry().filter(|_| self.expires));
        if self.flavour == Flavour::ActiveDirectory {
            names.extend(["primaryGroupID", "objectSid", "userPrincipalName", "isCriticalSystemObject"]);
        }
        names.extend(self.attributes.iter().map(String::as_str));
        names
    }

    /// The attributes that say what a group is.
    pub(crate) fn group_attributes(&self) -> Vec<&'static str> {
        let mut names = vec!["objectClass", "cn", self.flavour.anchor()];
        names.extend(self.kinds.iter().map(|kind| kind.member));
        if self.flavour == Flavour::ActiveDirectory {
            names.extend(["objectSid", "adminCount"]);
        }
        names
    }

    /// The kinds that an entry is of.
    pub(crate) fn kinds_of(&self, entry: &Entry) -> impl Iterator<Item = &'static Kind> {
        self.kinds.iter().copied().filter(|kind| entry.is(kind.class(self.flavour)))
    }

    /// What a change of an entry is aimed at: so that it hits nobody else, however the names have changed.
    pub(crate) fn aim(&self, dn: &str, anchor: &Anchor) -> Aim {
        match self.flavour {
            // MS-ADTS 3.1.1.3.1.2.4: the anchor in the place of the name.
            Flavour::ActiveDirectory => Aim { dn: format!("<GUID={anchor}>"), controls: Vec::new() },
            _ => self.aim_by_name(dn, anchor),
        }
    }

    /// The same by name, for a rename, where Samba takes no anchor.
    pub(crate) fn aim_by_name(&self, dn: &str, anchor: &Anchor) -> Aim {
        let filter = self.by_anchor(anchor).filter(|_| self.asserts);
        let control = filter.map(|filter| Assertion { filter }.critical().into());
        Aim { dn: dn.to_owned(), controls: control.into_iter().collect() }
    }

    /// An account without what it holds.
    pub(crate) fn account(&self, entry: &Entry) -> Result<Account> {
        let hidden = |what: &str| {
            let message = format!("The credential may not read `{what}` of {}.", entry.dn);
            Error::new(ErrorKind::PermissionDenied, message)
        };
        let mut attributes: Attributes =
            self.attributes.iter().filter_map(|name| Some((name.clone(), entry.value(name)?))).collect();
        if let Some(expires) = self.expiry(entry) {
            attributes.insert(EXPIRES.into(), Value::Text(expires.to_string()));
        }
        let lock = self.locks.then(|| entry.text(self.flavour.lock())).flatten();
        let disabled = match self.flavour {
            Flavour::OpenLdap => lock == Some(LOCKED),
            Flavour::Ds389 => lock.is_some_and(|lock| lock.eq_ignore_ascii_case("true")),
            Flavour::ActiveDirectory => {
                control_bits(entry).ok_or_else(|| hidden(self.flavour.lock()))? & ACCOUNT_DISABLED != 0
            }
        };
        Ok(Account {
            anchor: self.anchor(entry).ok_or_else(|| hidden(self.flavour.anchor()))?,
            kind: ACCOUNT.into(),
            username: entry.text(&self.username).ok_or_else(|| hidden(&self.username))?.to_owned(),
            state: if disabled { State::Disabled } else { State::Enabled },
            attributes,
            entitlements: None,
            version: None,
        })
    }

    /// Until when an account may sign in.
    fn expiry(&self, entry: &Entry) -> Option<Timestamp> {
        let text = entry.text(self.flavour.expiry().filter(|_| self.expires)?)?;
        match self.flavour {
            Flavour::ActiveDirectory if NEVER.contains(&text) => None,
            Flavour::ActiveDirectory => from_filetime(text),
            _ => from_generalized(text),
        }
    }
}

/// `userAccountControl`: a signed number of 32 bits.
pub(crate) fn control_bits(entry: &Entry) -> Option<u32> {
    entry.text("userAccountControl")?.parse::<i32>().ok().map(i32::cast_unsigned)
}

/// Active Directory: the primary group of an account, by the last part of its SID, where it is not Domain Users.
pub(crate) fn primary_group(entry: &Entry) -> Option<u32> {
    entry.text("primaryGroupID")?.parse().ok().filter(|group| *group != DOMAIN_USERS)
}

/// Active Directory: the last part of an entry's SID.
pub(crate) fn relative_id(entry: &Entry) -> Option<u32> {
    entry.bytes("objectSid")?.last_chunk().copied().map(u32::from_le_bytes)
}

/// Active Directory: the filter of the group of an account's domain with this last part of a SID.
pub(crate) fn by_relative_id(account: &Entry, id: u32) -> Option<String> {
    let (domain, _) = account.bytes("objectSid")?.split_last_chunk::<4>()?;
    Some(format!("(objectSid={}{})", escaped(domain), escaped(&id.to_le_bytes())))
}

/// Bytes as a filter has them (RFC 4515, 3).
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// The id under which a server of Active Directory numbers its updates; none where the credential may not see what was
/// deleted, which would then never be told.
async fn update_server(session: &mut Session<'_>, root: &Dn, service: &str) -> Result<Option<String>> {
    let deleted = format!("CN=Deleted Objects,{root}");
    let query = Query { base: &deleted, scope: Scope::Base, filter: "(objectClass=*)", attributes: &["1.1"] };
    let mut shown = false;
    match session.search(query, &[show_deleted()], &mut |_| shown = true).await {
        Ok(_) if shown => {}
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let query =
        Query { base: service, scope: Scope::Base, filter: "(objectClass=*)", attributes: &["invocationId"] };
    Ok(session.one(query).await?.and_then(|server| guid(server.bytes("invocationId")?)))
}

/// Active Directory: shows what was deleted (MS-ADTS 3.1.1.3.4.1.14).
pub(crate) fn show_deleted() -> RawControl {
    RawControl { ctype: "1.2.840.113556.1.4.417".into(), crit: true, val: None }
}

fn detect(dse: &Entry) -> Option<Flavour> {
    let vendor = format!(
        "{} {}",
        dse.text("vendorName").unwrap_or_default(),
        dse.text("vendorVersion").unwrap_or_default()
    );
    if dse.texts("supportedCapabilities").iter().any(|known| known == ACTIVE_DIRECTORY) {
        Some(Flavour::ActiveDirectory)
    } else if dse.is("OpenLDAProotDSE") {
        Some(Flavour::OpenLdap)
    } else if ["389", "Red Hat", "Fedora"].iter().any(|known| vendor.contains(known)) {
        Some(Flavour::Ds389)
    } else {
        None
    }
}

fn product(dse: &Entry, flavour: Flavour) -> String {
    let name = match flavour {
        Flavour::OpenLdap => "OpenLDAP",
        Flavour::Ds389 => "389 Directory Server",
        Flavour::ActiveDirectory => "Active Directory",
    };
    let told = ["vendorName", "vendorVersion", "dnsHostName"].iter().filter_map(|known| dse.text(known));
    std::iter::once(name).chain(told).collect::<Vec<_>>().join(", ")
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The attributes that a server knows, in small letters; `None` where they are there for certain.
struct Schema(Option<String>);

impl Schema {
    /// OpenLDAP has those of its password policy only with the overlay.
    async fn read(session: &mut Session<'_>, subentry: Option<&str>, flavour: Flavour) -> Result<Schema> {
        let Some(base) = subentry.filter(|_| flavour != Flavour::ActiveDirectory) else {
            return Ok(Schema(None));
        };
        let query = Query {
            base,
            scope: Scope::Base,
            filter: "(objectClass=subschema)",
            attributes: &["attributeTypes"],
        };
        let entry = session.one(query).await?;
        Ok(Schema(Some(
            entry.map(|entry| entry.texts("attributeTypes").join("\n").to_lowercase()).unwrap_or_default(),
        )))
    }

    fn knows(&self, attribute: &str) -> bool {
        let Schema(Some(types)) = self else { return true };
        types.contains(&format!("'{}'", attribute.to_lowercase()))
    }
}
