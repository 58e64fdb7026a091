//! How a run of the suite can be fitted to a system.

use std::collections::BTreeMap;
use std::time::Duration;

use provost_sdk::{Settings, Value};
use serde::Deserialize;

/// How a run of the suite is fitted to a system. The default suits an empty system of a connector with a
/// [`provost_sdk::Stage`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The kind of account that is tested; the first declared one where absent.
    pub kind: Option<String>,
    /// Entitlements of the throwaway system, by kind and name, that the suite may give and take. Kinds that are not
    /// named here are made by the connector's stage, or else found by reading.
    pub entitlements: Vec<(String, String)>,
    /// Two or more values for an attribute, where what the suite makes up is refused. `{}` in a text becomes
    /// something unique.
    pub attributes: BTreeMap<String, Vec<Value>>,
    /// The chapters to tell, by name; all where empty.
    pub only: Vec<String>,
    /// How many accounts the chapter `many-accounts` makes; 0 leaves it out.
    pub accounts: usize,
    /// How many accounts the group of the chapter `large-group` has; 0 leaves it out.
    pub members: usize,
    /// The time that one chapter may take; the two large ones may take ten times as long.
    pub timeout: Duration,
    /// How often one call is tried before its failure counts.
    pub attempts: u32,
    /// The same target with a credential that may read and not write.
    pub read_only: Option<Settings>,
    /// The same target with a credential that is good and may not list accounts.
    pub blind: Option<Settings>,
}

impl Default for Options {
    /// 1,500 accounts are more than a page of every known system (1,000 in LDAP and SCIM); 2,000 members are more
    /// than the 1,500 values after which Active Directory goes on in ranges. Two minutes are what the longest small
    /// chapter takes on the slowest known system behind a fault proxy, doubled. The fault proxy never refuses a
    /// request twice in a row, so that an operation of seven requests is through with its eighth attempt.
    fn default() -> Options {
        Options {
            kind: None,
            entitlements: Vec::new(),
            attributes: BTreeMap::new(),
            only: Vec::new(),
            accounts: 1_500,
            members: 2_000,
            timeout: Duration::from_secs(120),
            attempts: 8,
            read_only: None,
            blind: None,
        }
    }
}

/// The optional section `conformance:` of a Target file, as written there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// [`Options::kind`]
    pub kind: Option<String>,
    /// [`Options::entitlements`], each as in a grant: `{group: testers}`.
    pub entitlements: Vec<BTreeMap<String, String>>,
    /// [`Options::attributes`]
    pub attributes: BTreeMap<String, Vec<Value>>,
    /// [`Options::only`]
    pub only: Vec<String>,
    /// [`Options::accounts`]
    pub accounts: Option<usize>,
    /// [`Options::members`]
    pub members: Option<usize>,
    /// [`Options::timeout`], in seconds.
    pub timeout: Option<u64>,
    /// `secrets:` that take the place of the Target's own for [`Options::read_only`]. Whoever reads the file
    /// resolves them.
    pub read_only: Option<BTreeMap<String, serde_json::Value>>,
    /// The same for [`Options::blind`].
    pub blind: Option<BTreeMap<String, serde_json::Value>>,
}

impl Section {
    /// The options that the section asks for, without the two other credentials.
    ///
    /// # Errors
    /// A full sentence when an entitlement has not exactly one kind, an attribute has fewer than two values, or there
    /// is no chapter of a name.
    pub fn options(&self) -> Result<Options, String> {
        let mut options = Options {
            kind: self.kind.clone(),
            attributes: self.attributes.clone(),
            only: self.only.clone(),
            ..Options::default()
        };
        for entitlement in &self.entitlements {
            let mut fields = entitlement.iter();
            match (fields.next(), fields.next()) {
                (Some((kind, name)), None) => options.entitlements.push((kind.clone(), name.clone())),
                _ => {
                    return Err(format!(
                        "Every entry of `conformance.entitlements` is one kind and one name, such as `{{group: \
                         testers}}`; this one has {} fields.",
                        entitlement.len()
                    ));
                }
            }
        }
        for (name, values) in &self.attributes {
            if values.len() < 2 {
                return Err(format!(
                    "`conformance.attributes.{name}` needs two different values, because the suite sets one and \
                     then changes it to the other."
                ));
            }
        }
        if let Some(unknown) =
            self.only.iter().find(|only| !crate::chapter_names().any(|name| name == **only))
        {
            return Err(format!("There is no chapter `{unknown}` for `conformance.only`."));
        }
        options.accounts = self.accounts.unwrap_or(options.accounts);
        options.members = self.members.unwrap_or(options.members);
        options.timeout = self.timeout.map_or(options.timeout, Duration::from_secs);
        Ok(options)
    }
}
