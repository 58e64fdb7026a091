//! Lists: filter, order, page (RFC 7644, section 3.4.2; RFC 9865).
//!
//! Without filter and order a page is read straight from the table. Otherwise matches are found by index where the
//! filter allows, by a scan that parses only the attributes it needs where not, and only the page itself is rendered.

#[cfg(test)]
mod law;

use std::collections::HashMap;

use rusqlite::Connection;
use serde_json::{Map, Value};

use crate::cursor::{Position, SortKey, digest};
use crate::error::Refusal;
use crate::filter::{self, Filter};
use crate::fold::fold;
use crate::partial::pick;
use crate::path::{AttrPath, Place};
use crate::projection::Projection;
use crate::render::{self, Derived};
use crate::schema::{Kind, Type};
use crate::store::{self, Row};

/// Most resources of a page, and how many a client gets that asks for no number: clients that do not page should get
/// what they can.
pub(crate) const MAX_PAGE: usize = 1_000;

/// Characters of a value that count in sorting: a bound on cursors, which hold the last one.
const SORT_CHARACTERS: usize = 200;

const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What a client asks for, as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    pub(crate) filter: Option<String>,
    pub(crate) sort_by: Option<String>,
    pub(crate) sort_order: Option<String>,
    pub(crate) start_index: Option<i64>,
    pub(crate) count: Option<i64>,
    pub(crate) cursor: Option<String>,
    pub(crate) attributes: Vec<String>,
    pub(crate) excluded: Vec<String>,
}

/// A list that can be run.
#[derive(Debug)]
pub(crate) struct Query {
    kinds: Vec<Kind>,
    filter: Option<Filter>,
    sort: Option<(AttrPath, bool)>,
    paging: Paging,
    count: usize,
    projection: Projection,
    digest: String,
}

#[derive(Debug)]
enum Paging {
    /// Counted from 0.
    Index(usize),
    Cursor(Option<Position>),
}

struct Match {
    key: SortKey,
    seq: i64,
}

impl Query {
    pub(crate) fn parse(kinds: &[Kind], parameters: &Parameters) -> Result<Self, Refusal> {
        let filter = parameters.filter.as_deref().map(filter::parse).transpose()?;
        let descending = match parameters.sort_order.as_deref() {
            None => false,
            Some(order) if order.eq_ignore_ascii_case("ascending") => false,
            Some(order) if order.eq_ignore_ascii_case("descending") => true,
            Some(_) => return Err(Refusal::invalid_value("'sortOrder' must be ascending or descending.")),
        };
        let sort = match parameters.sort_by.as_deref() {
            None => None,
            Some(text) => Some((AttrPath::parse(text).map_err(Refusal::invalid_path)?, descending)),
        };
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let digest = digest(&[
            &names.join(","),
            parameters.filter.as_deref().unwrap_or_default(),
            parameters.sort_by.as_deref().unwrap_or_default(),
            if descending { "descending" } else { "" },
        ]);
        let paging = match (&parameters.cursor, parameters.start_index) {
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid_value("'cursor' and 'startIndex' cannot be used together."));
            }
            (Some(cursor), None) if cursor.is_empty() => Paging::Cursor(None),
            (Some(cursor), None) => Paging::Cursor(Some(Position::decode(cursor, &digest)?)),
            // Below 1 means 1 (RFC 7644, section 3.4.2.4).
            (None, start) => {
                Paging::Index(usize::try_from(start.unwrap_or(1).max(1) - 1).unwrap_or(usize::MAX))
            }
        };
        let count = match parameters.count {
            None => MAX_PAGE,
            Some(count) => usize::try_from(count.max(0)).unwrap_or(MAX_PAGE).min(MAX_PAGE),
        };
        let projection = Projection::parse(&parameters.attributes, &parameters.excluded)?;
        Ok(Self { kinds: kinds.to_vec(), filter, sort, paging, count, projection, digest })
    }

    /// The answer as JSON text, with locations under `base`.
    pub(crate) fn run(&self, connection: &Connection, base: &str) -> Result<String, Refusal> {
        let (total, rows, last) = match self.kinds.as_slice() {
            [kind] if self.filter.is_none() && self.sort.is_none() => self.straight(connection, *kind)?,
            _ => self.searched(connection, base)?,
        };
        let mut out = format!("{{\"schemas\":[\"{LIST_SCHEMA}\"],\"totalResults\":{total},");
        match &self.paging {
            Paging::Index(skip) => out.push_str(&format!("\"startIndex\":{},", skip.saturating_add(1))),
            Paging::Cursor(_) => {
                if let Some(last) = last {
                    out.push_str(&format!("\"nextCursor\":\"{}\",", last.encode()));
                }
            }
        }
        out.push_str(&format!("\"itemsPerPage\":{},\"Resources\":[", rows.len()));
        render_all(connection, &mut out, &rows, base, &self.projection)?;
        out.push_str("]}");
        Ok(out)
    }

    /// Total, the page, and the position after it if there is more.
    fn straight(
        &self,
        connection: &Connection,
        kind: Kind,
    ) -> Result<(usize, Vec<Row>, Option<Position>), Refusal> {
        let total = store::count(connection, kind)?;
        let (after, skip) = match &self.paging {
            Paging::Index(skip) => (0, *skip),
            Paging::Cursor(position) => (position.as_ref().map_or(0, |position| position.seq), 0),
        };
        if self.count == 0 {
            return Ok((total, Vec::new(), None));
        }
        // One more than asked for tells whether there is more.
        let mut rows = store::page(connection, kind, after, skip, self.count + 1)?;
        let more = rows.len() > self.count;
        rows.truncate(self.count);
        let last =
            rows.last().filter(|_| more).map(|row| Position::new(SortKey::Absent, row.seq, &self.digest));
        Ok((total, rows, last))
    }

    fn searched(
        &self,
        connection: &Connection,
        base: &str,
    ) -> Result<(usize, Vec<Row>, Option<Position>), Refusal> {
        let descending = self.sort.as_ref().is_some_and(|(_, descending)| *descending);
        let mut matches = self.matches(connection, base)?;
        let order = |a: (&SortKey, i64), b: (&SortKey, i64)| if descending { b.cmp(&a) } else { a.cmp(&b) };
        matches.sort_unstable_by(|a, b| order((&a.key, a.seq), (&b.key, b.seq)));
        let skip = match &self.paging {
            Paging::Index(skip) => *skip,
            Paging::Cursor(None) => 0,
            Paging::Cursor(Some(last)) => {
                matches.partition_point(|found| order((&found.key, found.seq), (&last.key, last.seq)).is_le())
            }
        };
        let from = skip.min(matches.len());
        let to = from.saturating_add(self.count).min(matches.len());
        let rows = matches[from..to]
            .iter()
            .filter_map(|found| store::by_seq(connection, found.seq).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let last = matches[from..to].last().filter(|_| to < matches.len());
        let last = last.map(|found| Position::new(found.key.clone(), found.seq, &self.digest));
        Ok((matches.len(), rows, last))
    }

    fn matches(&self, connection: &Connection, base: &str) -> Result<Vec<Match>, Refusal> {
        let lenient = self.kinds.len() > 1;
        let mut matches = Vec::new();
        let mut known = false;
        for &kind in &self.kinds {
            let test = self.filter.as_ref().map(|filter| filter::bind(filter, kind, lenient)).transpose()?;
            let sort = match &self.sort {
                None => None,
                Some((path, _)) => sort_place(path, kind)?,
            };
            known |= sort.is_some();
            let mut wanted: Vec<&str> = sort.iter().map(Place::top_level).collect();
            if let Some(test) = &test {
                test.attributes(&mut wanted);
            }
            let mut look = |row: &Row, groups: Option<&str>| -> Result<(), Refusal> {
                let view = view(connection, row, groups, &wanted, base)?;
                if test.as_ref().is_none_or(|test| filter::matches(test, &view)) {
                    let key = sort.as_ref().map_or(SortKey::Absent, |place| sort_key(place, &view));
                    matches.push(Match { key, seq: row.seq });
                }
                Ok(())
            };
            let needs_groups = kind == Kind::User && (wanted.contains(&"groups") || wanted.contains(&"meta"));
            match test.as_ref().and_then(filter::seeks) {
                Some(seeks) => {
                    let mut found = Vec::new();
                    for seek in &seeks {
                        found.extend(store::seek(connection, seek)?);
                    }
                    found.sort_unstable();
                    found.dedup();
                    let groups = if needs_groups {
                        store::groups_of(connection, &found, base)?
                    } else {
                        HashMap::new()
                    };
                    for seq in found {
                        if let Some(row) = store::by_seq(connection, seq)?.filter(|row| row.kind == kind) {
                            look(&row, groups.get(&seq).map(String::as_str))?;
                        }
                    }
                }
                None => {
                    let groups =
                        if needs_groups { store::all_groups(connection, base)? } else { HashMap::new() };
                    store::all_rows(connection, kind, |row| {
                        look(&row, groups.get(&row.seq).map(String::as_str))
                    })?;
                }
            }
        }
        if let Some((path, _)) = self.sort.as_ref().filter(|_| !known) {
            return Err(Refusal::invalid_path(format!("There is no attribute '{path}' to sort by.")));
        }
        Ok(matches)
    }
}

/// Appends resources with commas between them.
fn render_all(
    connection: &Connection,
    out: &mut String,
    rows: &[Row],
    base: &str,
    projection: &Projection,
) -> Result<(), Refusal> {
    let users: Vec<i64> = rows.iter().filter(|row| row.kind == Kind::User).map(|row| row.seq).collect();
    let groups = if users.is_empty() { HashMap::new() } else { store::groups_of(connection, &users, base)? };
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let members = if row.kind == Kind::Group && projection.wants(row.kind, "members") {
            store::members_of(connection, row.seq, base)?
        } else {
            None
        };
        let derived =
            Derived { groups: groups.get(&row.seq).map(String::as_str), members: members.as_deref() };
        render::resource(out, row, derived, base, projection)?;
    }
    Ok(())
}

/// The attributes of a resource that a filter or an order needs.
fn view(
    connection: &Connection,
    row: &Row,
    groups: Option<&str>,
    wanted: &[&str],
    base: &str,
) -> Result<Map<String, Value>, Refusal> {
    let mut view = if wanted.is_empty() { Map::new() } else { pick(&row.body, wanted) };
    let mut add = |name: &str, text: &str| {
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            view.insert(name.to_owned(), value);
        }
    };
    if wanted.contains(&"meta") {
        let mut meta = String::new();
        render::meta(&mut meta, row, groups, base);
        add("meta", &meta);
    }
    if let Some(groups) = groups {
        add("groups", groups);
    }
    if row.kind == Kind::Group
        && wanted.contains(&"members")
        && let Some(members) = store::members_of(connection, row.seq, base)?
    {
        add("members", &members);
    }
    Ok(view)
}

fn sort_place(path: &AttrPath, kind: Kind) -> Result<Option<Place>, Refusal> {
    let Some(place) = path.resolve(kind) else { return Ok(None) };
    if place.attribute.returned == crate::schema::Returned::Never {
        return Err(Refusal::invalid_path(format!("'{path}' cannot be sorted by.")));
    }
    if place.sub.is_some() || place.attribute.kind != Type::Complex {
        return Ok(Some(place));
    }
    match place.attribute.default_sub() {
        Some(sub) => Ok(Some(Place { sub: Some(sub), ..place })),
        None => Err(Refusal::invalid_path(format!("'{path}' is complex: name one of its sub-attributes."))),
    }
}

/// Of a multi-valued attribute the primary value counts, or else the first (RFC 7644, section 3.4.2.3).
fn sort_key(place: &Place, resource: &Map<String, Value>) -> SortKey {
    let found = match place.extension {
        None => resource.get(place.attribute.name),
        Some(urn) => resource.get(urn).and_then(|extension| extension.get(place.attribute.name)),
    };
    let single = match found {
        Some(Value::Array(elements)) => {
            let primary = elements.iter().find(|element| element.get("primary") == Some(&Value::Bool(true)));
            primary.or_else(|| elements.first())
        }
        other => other,
    };
    let (value, attribute) = match place.sub {
        Some(sub) => (single.and_then(|single| single.get(sub.name)), sub),
        None => (single, place.attribute),
    };
    match value {
        Some(Value::Bool(boolean)) => SortKey::Boolean(*boolean),
        Some(Value::String(text)) if !text.is_empty() => {
            let text = if attribute.case_exact { text.as_str().into() } else { fold(text) };
            SortKey::Text(text.chars().take(SORT_CHARACTERS).collect())
        }
        _ => SortKey::Absent,
    }
}
