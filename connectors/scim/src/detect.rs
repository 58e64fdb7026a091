//! What the server says about itself. All of it is optional in the field, and only a hint: what counts is what the
//! server then does.

use provost_sdk::{
    AccountKind, Attribute, Capabilities, Comparison, EntitlementKind, ErrorKind, Result, Risk, Verb,
};
use serde_json::Value;

use crate::api::{Outcome, Server};
use crate::map::{FIELDS, Field};
use crate::resource::{ENTERPRISE, GROUP, USER, field, list, number, text, truth};

/// The paths where everybody has users and groups.
const USERS: &str = "/Users";
const GROUPS: &str = "/Groups";

/// What the server says about itself.
#[derive(Debug)]
pub(crate) struct Found {
    /// The path of users.
    pub users: String,
    /// The path of groups, unless it has none.
    pub groups: Option<String>,
    /// Whether it says that it has PATCH; unknown counts as yes.
    pub patch: bool,
    /// Whether it says that it has filters; unknown counts as yes.
    pub filter: bool,
    /// Whether it says that it checks versions.
    pub etag: bool,
    /// Whether it says that it sorts.
    pub sort: bool,
    /// Whether it says that it has cursors (RFC 9865).
    pub cursor: bool,
    /// The most that it says it puts on one page.
    pub most: Option<usize>,
    /// Attributes as [`FIELDS`] has them, as far as its schemas have them too.
    pub attributes: Vec<Attribute>,
}

impl Found {
    /// What can be done here.
    pub(crate) fn capabilities(&self) -> Capabilities {
        let group = EntitlementKind {
            name: "group".to_owned(),
            risk: Risk::Low,
            // RFC 7643, section 8.7.1: displayName of a group is not caseExact.
            comparison: Comparison::IgnoreCase,
            nests: true,
            ..EntitlementKind::default()
        };
        let mut verbs =
            vec![Verb::Create, Verb::Update, Verb::Rename, Verb::Enable, Verb::Disable, Verb::Delete];
        if self.groups.is_some() {
            verbs.extend([Verb::Grant, Verb::Revoke]);
        }
        Capabilities {
            account_kinds: vec![AccountKind { name: "user".to_owned(), attributes: self.attributes.clone() }],
            entitlement_kinds: self.groups.iter().map(|_| group.clone()).collect(),
            verbs: verbs.into_iter().collect(),
            // What a server says of userName's case is often wrong in both directions; taking `Alice` for `alice`
            // makes a candidate that waits, taking them for two makes a second account.
            usernames: Comparison::IgnoreCase,
            // `meta.lastModified gt` shows no deletions, so a delta would not be free of gaps.
            delta: false,
            conditional: self.etag,
            ..Capabilities::default()
        }
    }
}

/// Asks the three discovery endpoints (RFC 7644, section 4).
pub(crate) async fn detect(server: &Server) -> Result<Found> {
    let config = document(server, "/ServiceProviderConfig").await?;
    let types = documents(server, "/ResourceTypes").await?;
    let schemas = documents(server, "/Schemas").await?;
    let supported = |name: &str| field(&config, name).and_then(|part| truth(part, "supported"));
    let pagination = field(&config, "pagination");
    let most = [
        field(&config, "filter").and_then(|part| number(part, "maxResults")),
        pagination.and_then(|part| number(part, "maxPageSize")),
    ];
    let users = endpoint(&types, USER).unwrap_or_else(|| USERS.to_owned());
    let groups = match endpoint(&types, GROUP) {
        Some(path) => Some(path),
        // A list of types that knows users and not groups means it.
        None if endpoint(&types, USER).is_some() => None,
        None => there(server, GROUPS).await?.then(|| GROUPS.to_owned()),
    };
    Ok(Found {
        users,
        groups,
        patch: supported("patch") != Some(false),
        filter: supported("filter") != Some(false),
        etag: supported("etag") == Some(true),
        sort: supported("sort") == Some(true),
        cursor: pagination.and_then(|part| truth(part, "cursor")) == Some(true),
        most: most.into_iter().flatten().filter(|most| *most > 0).min(),
        attributes: FIELDS.iter().filter_map(|field| attribute(field, &schemas, &types)).collect(),
    })
}

/// One document; nothing where the server has none or does not show it.
async fn document(server: &Server, path: &str) -> Result<Value> {
    match server.get(path, &[]).await? {
        Outcome::Done(done) => Ok(done.body.unwrap_or_default()),
        Outcome::Refused(refusal) if refusal.status == 401 => Err(refusal.error),
        Outcome::Refused(_) => Ok(Value::Null),
    }
}

/// A list of documents; empty where the server has none, does not show it, or shows a part of it again and again.
async fn documents(server: &Server, path: &str) -> Result<Vec<Value>> {
    for _ in 0..3 {
        match server.page(path, &[]).await {
            Ok(Ok(page)) if page.total.is_none_or(|total| total <= page.resources.len()) => {
                return Ok(page.resources);
            }
            Ok(Ok(_)) => {}
            Ok(Err(refusal)) if refusal.status == 401 => return Err(refusal.error),
            Ok(Err(_)) => break,
            Err(error) if error.kind == ErrorKind::InvalidResponse => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Vec::new())
}

/// Whether a path is served at all.
async fn there(server: &Server, path: &str) -> Result<bool> {
    match server.get(path, &[("startIndex", "1"), ("count", "1")]).await? {
        Outcome::Refused(refusal) => Ok(!matches!(refusal.status, 404 | 405 | 410 | 501)),
        Outcome::Done(_) => Ok(true),
    }
}

fn endpoint(types: &[Value], schema: &str) -> Option<String> {
    let found =
        types.iter().find(|kind| text(kind, "schema").is_some_and(|s| s.eq_ignore_ascii_case(schema)))?;
    let path = text(found, "endpoint")?;
    // Some give the whole address; the base is ours to say.
    let path = path.trim_end_matches('/').rsplit('/').next()?;
    (!path.is_empty()).then(|| format!("/{path}"))
}

/// The declaration of one attribute; `None` where the server shows its schemas and has no place for it.
fn attribute(wanted: &Field, schemas: &[Value], types: &[Value]) -> Option<Attribute> {
    let mut attribute = Attribute {
        name: wanted.name.to_owned(),
        gives_control: wanted.gives_control,
        read_only: wanted.read_only,
        comparison: wanted.comparison,
        required: false,
    };
    let shown = |urn: &str| {
        let has = |schema: &&Value| text(schema, "id").is_some_and(|id| id.eq_ignore_ascii_case(urn));
        schemas.iter().find(has)
    };
    let (user, extension) = (shown(USER), wanted.path.extension());
    if extension && extended(types) == Some(false) && shown(ENTERPRISE).is_none() {
        return None;
    }
    let Some(schema) = (if extension { shown(ENTERPRISE) } else { user }) else {
        // Schemas that know the user and not the extension mean it; no schemas at all mean nothing.
        return (user.is_none() || !extension).then_some(attribute);
    };
    let mut within = schema;
    attribute.required = true;
    for name in wanted.path.names() {
        within = list(within, if std::ptr::eq(within, schema) { "attributes" } else { "subAttributes" })?
            .iter()
            .find(|found| text(found, "name").is_some_and(|found| found.eq_ignore_ascii_case(name)))?;
        attribute.required &= truth(within, "required") == Some(true);
        attribute.read_only |= text(within, "mutability").as_deref() == Some("readOnly");
        if list(within, "subAttributes").is_none_or(<[Value]>::is_empty) {
            break;
        }
    }
    Some(attribute)
}

/// Whether the type of users has the enterprise extension; `None` where no type says.
fn extended(types: &[Value]) -> Option<bool> {
    let of_users =
        |kind: &&Value| text(kind, "schema").is_some_and(|schema| schema.eq_ignore_ascii_case(USER));
    let user = types.iter().find(of_users)?;
    Some(list(user, "schemaExtensions").unwrap_or_default().iter().any(|extension| {
        text(extension, "schema").is_some_and(|schema| schema.eq_ignore_ascii_case(ENTERPRISE))
    }))
}
