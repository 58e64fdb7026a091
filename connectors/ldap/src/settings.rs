//! The settings of one target.

use std::net::IpAddr;

use provost_sdk::{Error, ErrorKind, Result, Setting, SettingKind, Settings};
use serde::Deserialize;
use url::{Host, Url};

use crate::dn::Dn;
use crate::flavour::{Flavour, Kind};

/// A page holds what every known server gives at once (Active Directory's MaxPageSize).
const PAGE_SIZE: u64 = 1_000;

/// Everything that `config:` and `secrets:` may hold.
pub(crate) static SETTINGS: [Setting; 18] = [
    Setting::place(
        "url",
        SettingKind::Text,
        true,
        "`ldaps://host:port`, or `ldap://host:port`, which is secured by StartTLS.",
    ),
    Setting::place("accounts", SettingKind::Text, true, "The DN under which accounts are, at any depth."),
    Setting::place("groups", SettingKind::Text, true, "The DN under which groups are, at any depth."),
    Setting::option(
        "user",
        SettingKind::Text,
        true,
        "Whom provost binds as: a DN, or a user principal name.",
    ),
    Setting::option("password", SettingKind::Secret, true, "The password of `user`."),
    Setting::option(
        "flavour",
        SettingKind::Text,
        false,
        "`openldap`, `389` or `active-directory`; what the server says of itself where absent.",
    ),
    Setting::option(
        "tls",
        SettingKind::Text,
        false,
        "`verify-full` (the default), or `disable`, which is taken for this machine only.",
    ),
    Setting::option(
        "ca_file",
        SettingKind::Text,
        false,
        "A PEM file of the certificate authorities to trust instead of those of the machine.",
    ),
    Setting::option(
        "create_in",
        SettingKind::Text,
        false,
        "Where new accounts are made; `accounts` where absent.",
    ),
    Setting::option(
        "account_filter",
        SettingKind::Text,
        false,
        "An LDAP filter of accounts instead of the flavour's own.",
    ),
    Setting::option(
        "username",
        SettingKind::Text,
        false,
        "The attribute of the username; `uid` or `sAMAccountName`.",
    ),
    Setting::option(
        "rdn",
        SettingKind::Text,
        false,
        "The attribute by which new accounts are named in their DN, with the username as value; `uid` or `cn`.",
    ),
    Setting::option(
        "object_classes",
        SettingKind::List,
        false,
        "The object classes of new accounts; `inetOrgPerson` or `user`.",
    ),
    Setting::option(
        "attributes",
        SettingKind::List,
        false,
        "The attributes of accounts instead of the flavour's own.",
    ),
    Setting::option(
        "kinds",
        SettingKind::List,
        false,
        "The kinds of group: some of `group`, `unique-group` and `posix-group`; all that the flavour has where absent.",
    ),
    Setting::option(
        "placeholder",
        SettingKind::Text,
        false,
        "The DN that a group keeps when its last member leaves and its class wants one; the empty DN where absent.",
    ),
    Setting::option(
        "upn_suffix",
        SettingKind::Text,
        false,
        "The domain of new user principal names; the directory's own.",
    ),
    Setting::option("page_size", SettingKind::Number, false, "Entries asked for at once; 1000 where absent."),
];

/// How the connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// From the first byte.
    Tls,
    /// By the extended operation of RFC 4511, 4.14, before anything else.
    StartTls,
    /// Not at all: this machine only.
    Nothing,
}

/// The settings, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub user: String,
    pub accounts: Dn,
    pub groups: Dn,
    pub create_in: Dn,
    pub flavour: Option<Flavour>,
    pub account_filter: Option<String>,
    pub username: Option<String>,
    pub rdn: Option<String>,
    pub object_classes: Option<Vec<String>>,
    pub attributes: Option<Vec<String>>,
    pub kinds: Option<Vec<&'static Kind>>,
    pub placeholder: String,
    pub upn_suffix: Option<String>,
    pub page_size: i32,
}

impl Config {
    /// Reads the settings; nothing is called.
    pub(crate) fn parse(settings: &Settings) -> Result<Config> {
        let url = Url::parse(settings.text("url")?)
            .map_err(|error| wrong(format!("`url` is no URL: {error}.")).because(error))?;
        let Some(host) = url.host() else { return Err(wrong("`url` names no host.")) };
        let here = match &host {
            Host::Domain(name) => {
                *name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        let verified = match settings.optional_text("tls")?.unwrap_or("verify-full") {
            "verify-full" => true,
            "disable" if here => false,
            "disable" => {
                return Err(wrong(format!("`tls: disable` is for this machine only, and {host} is not it.")));
            }
            other => {
                return Err(wrong(format!("`tls` must be `verify-full` or `disable`, and is `{other}`.")));
            }
        };
        let (security, port) = match (url.scheme(), verified) {
            ("ldaps", true) => (Security::Tls, 636),
            ("ldap", true) => (Security::StartTls, 389),
            ("ldap", false) => (Security::Nothing, 389),
            ("ldaps", false) => return Err(wrong("`tls: disable` contradicts an ldaps URL.")),
            (other, _) => {
                return Err(wrong(format!("`url` must begin with ldap or ldaps, and not with {other}.")));
            }
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty() {
            return Err(wrong(
                "`url` has a host and a port and nothing else: the rest are settings of their own.",
            ));
        }
        let host = match host {
            Host::Ipv6(ip) => ip.to_string(),
            other => other.to_string(),
        };
        let dn =
            |name: &str| Dn::parse(settings.text(name)?).map_err(|error| wrong(format!("`{name}`: {error}")));
        let text = |name: &str| Ok(settings.optional_text(name)?.map(str::to_owned));
        let accounts = dn("accounts")?;
        let page_size = settings.number("page_size")?.unwrap_or(PAGE_SIZE);
        Ok(Config {
            host,
            port: url.port().unwrap_or(port),
            security,
            user: settings.text("user")?.to_owned(),
            create_in: match settings.optional_text("create_in")? {
                Some(_) => dn("create_in")?,
                None => accounts.clone(),
            },
            accounts,
            groups: dn("groups")?,
            flavour: match settings.optional_text("flavour")? {
                Some(word) => Some(Flavour::named(word).ok_or_else(|| {
                    wrong(format!("`flavour` is `openldap`, `389` or `active-directory`, and not `{word}`."))
                })?),
                None => None,
            },
            account_filter: match text("account_filter")? {
                Some(filter) if ldap3::parse_filter(&filter).is_err() => {
                    return Err(wrong("`account_filter` is no LDAP filter, such as `(employeeType=staff)`."));
                }
                filter => filter,
            },
            username: text("username")?,
            rdn: text("rdn")?,
            object_classes: list(settings, "object_classes")?,
            attributes: list(settings, "attributes")?.map(attributes).transpose()?,
            kinds: list(settings, "kinds")?.map(kinds).transpose()?,
            placeholder: text("placeholder")?.unwrap_or_default(),
            upn_suffix: text("upn_suffix")?,
            page_size: i32::try_from(page_size)
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| wrong("`page_size` must be between 1 and 2147483647."))?,
        })
    }
}

fn list<T: for<'de> Deserialize<'de>>(settings: &Settings, name: &str) -> Result<Option<Vec<T>>> {
    match settings.config.get(name) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(list) => serde_json::from_value(list.clone())
            .map(Some)
            .map_err(|error| wrong(format!("`{name}` must be a list of texts.")).because(error)),
    }
}

fn kinds(names: Vec<String>) -> Result<Vec<&'static Kind>> {
    let known = |name: String| {
        Kind::named(&name).ok_or_else(|| {
            wrong(format!("`kinds` holds `group`, `unique-group` and `posix-group`, and not `{name}`."))
        })
    };
    names.into_iter().map(known).collect()
}

/// What the connector does by operations of their own is no attribute.
fn attributes(names: Vec<String>) -> Result<Vec<String>> {
    let own = |name: &str| {
        let name = name.to_lowercase();
        name.starts_with("pwd") || name.starts_with("member") || OPERATIONS_OWN.contains(&name.as_str())
    };
    let shaped = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == ';')
    };
    match names.iter().find(|name| own(name) || !shaped(name)) {
        Some(name) => Err(wrong(format!("`attributes` cannot hold `{name}`."))),
        None => Ok(names),
    }
}

/// In small letters.
const OPERATIONS_OWN: [&str; 14] = [
    "objectclass",
    "userpassword",
    "unicodepwd",
    "useraccountcontrol",
    "nsaccountlock",
    "accountexpires",
    "entryuuid",
    "nsuniqueid",
    "objectguid",
    "objectsid",
    "primarygroupid",
    "samaccountname",
    "userprincipalname",
    "uniquemember",
];

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
