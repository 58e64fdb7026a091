//! A SCIM server in memory that has the quirks of servers seen in the field, one by one.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use provost_sdk::{SecretString, Settings};
use serde_json::{Value, json};

/// What the server does otherwise than the standard says.
#[derive(Clone, Debug, Default)]
pub struct Quirks {
    /// Discovery endpoints are 404.
    pub mute: bool,
    /// PATCH is 501.
    pub no_patch: bool,
    /// PUT is 405.
    pub no_put: bool,
    /// PUT of a group is 200 and does nothing.
    pub put_lies: bool,
    /// A write answers with success this often and does nothing.
    pub lies: usize,
    /// Removing a member by filter.
    pub remove: Remove,
    /// Removing by values takes everybody.
    pub values_wipe: bool,
    /// Filters.
    pub filter: Filter,
    /// A list with `count` is 500.
    pub count_fails: bool,
    /// Pages have this many at most.
    pub most: Option<usize>,
    /// `startIndex` is not heard.
    pub start_ignored: bool,
    /// `totalResults` is that of the page.
    pub total_of_page: bool,
    /// After so many lists of users, the first user is gone.
    pub vanish_after: Option<usize>,
    /// Cursors (RFC 9865) are advertised, and given.
    pub cursor: bool,
    /// A user comes with every list.
    pub busy: bool,
    /// Cursors are advertised and not given.
    pub cursor_lies: bool,
    /// The next list of users is this old answer.
    pub stale: Option<Value>,
    /// Lists of groups show no members.
    pub members_hidden_in_lists: bool,
    /// No group ever shows a member.
    pub members_hidden: bool,
    /// Members are shown when asked for by `attributes`.
    pub members_on_request: bool,
    /// Users show the groups that they are in.
    pub user_groups: bool,
    /// Lists are empty.
    pub blind: bool,
    /// A single user is 403.
    pub single_denied: bool,
    /// DELETE disables.
    pub soft: bool,
    /// What a duplicate is answered with; 201 makes two.
    pub duplicate: Option<u16>,
    /// Case variants are two users.
    pub exact_names: bool,
    /// POST answers without a body and without a Location.
    pub silent_create: bool,
    /// Everything is 200 and a page for people.
    pub html: bool,
    /// Reads and writes are redirected.
    pub redirect: bool,
    /// The answer of the next write gets lost.
    pub lose_answer: bool,
    /// `active` is kept as text.
    pub active_text: bool,
    /// These attributes are dropped.
    pub drops: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remove {
    #[default]
    Works,
    Unsupported,
    Lies,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    Works,
    CaseSensitive,
    Ignored,
    Nothing,
    Refused,
}

/// The server, and what it has.
#[derive(Clone, Default)]
pub struct Fake(pub Arc<Mutex<Inner>>);

#[derive(Default)]
pub struct Inner {
    pub quirks: Quirks,
    pub users: Vec<Value>,
    pub groups: Vec<Value>,
    /// Method and path of every call.
    pub log: Vec<String>,
    serial: usize,
    lists: usize,
}

impl Fake {
    /// Starts it on loopback; it ends with the test's runtime.
    pub async fn start(quirks: Quirks) -> (Fake, Settings) {
        let fake = Fake::default();
        fake.0.lock().unwrap().quirks = quirks;
        let app = Router::new().fallback(handle).with_state(fake.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/scim", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (fake, settings(&url, "secret-token"))
    }

    /// Puts a user there.
    pub fn user(&self, name: &str) -> String {
        let mut inner = self.0.lock().unwrap();
        let id = inner.id();
        inner.users.push(json!({ "id": id, "userName": name, "active": true, "meta": {} }));
        id
    }

    /// Puts a group there.
    pub fn group(&self, name: &str, members: &[&str]) -> String {
        let mut inner = self.0.lock().unwrap();
        let id = inner.id();
        let members: Vec<Value> = members.iter().map(|member| json!({ "value": member })).collect();
        inner.groups.push(json!({ "id": id, "displayName": name, "members": members }));
        id
    }

    /// The ids of a group's members.
    pub fn members(&self, group: &str) -> Vec<String> {
        let inner = self.0.lock().unwrap();
        let group = inner.groups.iter().find(|known| known["id"] == group).unwrap();
        members(group).iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
    }

    pub fn quirks(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut self.0.lock().unwrap().quirks);
    }

    pub fn calls(&self, what: &str) -> usize {
        self.0.lock().unwrap().log.iter().filter(|line| line.starts_with(what)).count()
    }
}

pub fn settings(url: &str, token: &str) -> Settings {
    let mut settings = Settings { target: "throwaway".to_owned(), ..Settings::default() };
    settings.config.insert("url".to_owned(), url.into());
    settings.secrets.insert("token".to_owned(), SecretString::from(token.to_owned()));
    settings
}

type Answer = Result<(u16, Value), u16>;

impl Inner {
    fn id(&mut self) -> String {
        self.serial += 1;
        format!("id-{}", self.serial)
    }

    fn answer(&mut self, method: &Method, path: &[&str], query: &[(String, String)], body: Value) -> Answer {
        let write = method != Method::GET;
        if write && self.quirks.lies > 0 {
            self.quirks.lies -= 1;
            return Ok((200, json!({})));
        }
        match (method.as_str(), path) {
            ("GET", [_] | [_, _]) if self.quirks.mute && !matches!(path[0], "Users" | "Groups") => Err(404),
            ("GET", ["ServiceProviderConfig"]) => Ok((
                200,
                json!({ "patch": { "supported": !self.quirks.no_patch }, "filter": { "supported": true },
                        "pagination": { "cursor": self.quirks.cursor || self.quirks.cursor_lies } }),
            )),
            ("GET", ["Users" | "Groups"]) => self.list(path[0], query),
            ("GET", ["Users", _]) if self.quirks.single_denied => Err(403),
            ("GET", [kind, id]) => self.show(kind, id, query),
            ("POST", [kind]) => self.create(kind, body),
            ("PATCH", _) if self.quirks.no_patch => Err(501),
            ("PATCH", [kind, id]) => self.patch(kind, id, &body),
            ("PUT", _) if self.quirks.no_put => Err(405),
            ("PUT", [kind, id]) => self.put(kind, id, body),
            ("DELETE", [kind, id]) => self.delete(kind, id),
            _ => Err(404),
        }
    }

    fn store(&mut self, kind: &str) -> Result<&mut Vec<Value>, u16> {
        match kind {
            "Users" => Ok(&mut self.users),
            "Groups" => Ok(&mut self.groups),
            _ => Err(404),
        }
    }

    fn find(&mut self, kind: &str, id: &str) -> Result<&mut Value, u16> {
        self.store(kind)?.iter_mut().find(|known| known["id"] == id).ok_or(404)
    }

    fn shown(&self, kind: &str, resource: &Value, listed: bool, query: &[(String, String)]) -> Value {
        let mut shown = resource.clone();
        let quirks = &self.quirks;
        let asked = query.iter().any(|(name, value)| name == "attributes" && value.contains("members"));
        let on_request = quirks.members_on_request && asked;
        if kind == "Groups"
            && !on_request
            && (quirks.members_hidden
                || quirks.members_on_request
                || (listed && quirks.members_hidden_in_lists)
                || members(resource).is_empty())
        {
            shown.as_object_mut().unwrap().remove("members");
        }
        if kind == "Users" && quirks.user_groups {
            let holds =
                |group: &&Value| members(group).iter().any(|member| member["value"] == resource["id"]);
            let held = self.groups.iter().filter(holds).map(|group| json!({ "value": group["id"] }));
            shown["groups"] = held.collect();
        }
        if quirks.active_text && kind == "Users" {
            shown["active"] = if resource["active"] == true { "True".into() } else { "False".into() };
        }
        shown
    }

    fn show(&mut self, kind: &str, id: &str, query: &[(String, String)]) -> Answer {
        let found = self.find(kind, id)?.clone();
        Ok((200, self.shown(kind, &found, false, query)))
    }

    fn list(&mut self, kind: &str, query: &[(String, String)]) -> Answer {
        let asked =
            |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if asked("count").is_some() && self.quirks.count_fails {
            return Err(500);
        }
        if kind == "Users" {
            self.lists += 1;
            if self.quirks.vanish_after == Some(self.lists - 1) {
                self.users.remove(0);
            }
        }
        if kind == "Users" && self.quirks.busy {
            let id = self.id();
            let newcomer = json!({ "id": id, "userName": format!("new-{id}"), "active": true });
            self.users.push(newcomer);
        }
        if kind == "Users"
            && let Some(stale) = self.quirks.stale.take()
        {
            return Ok((200, stale));
        }
        let mut found = self.store(kind)?.clone();
        if let Some(filter) = asked("filter") {
            match self.quirks.filter {
                Filter::Ignored => {}
                Filter::Nothing => found.clear(),
                Filter::Refused => return Err(400),
                exact => {
                    found.retain(|resource| matches_filter(resource, &filter, exact == Filter::CaseSensitive))
                }
            }
        }
        if self.quirks.blind {
            found.clear();
        }
        let number = |name: &str| asked(name).and_then(|value| value.parse::<usize>().ok());
        let cursor = asked("cursor").filter(|_| self.quirks.cursor);
        let after = cursor.as_ref().map(|cursor| cursor.parse::<usize>().unwrap_or(0) + 1);
        let start = if let Some(start) = after {
            start
        } else if self.quirks.start_ignored {
            1
        } else {
            number("startIndex").unwrap_or(1).max(1)
        };
        let most = number("count").unwrap_or(usize::MAX).min(self.quirks.most.unwrap_or(usize::MAX));
        let all = found.len();
        let page: Vec<Value> = found
            .iter()
            .skip(start - 1)
            .take(most)
            .map(|resource| self.shown(kind, resource, true, query))
            .collect();
        let end = start - 1 + page.len();
        if cursor.is_some() && end < all {
            let next = end.to_string();
            return Ok((200, json!({ "totalResults": all, "Resources": page, "nextCursor": next })));
        }
        let total = if self.quirks.total_of_page { page.len() } else { all };
        Ok((200, json!({ "totalResults": total, "Resources": page })))
    }

    fn create(&mut self, kind: &str, mut body: Value) -> Answer {
        let exact = self.quirks.exact_names;
        if kind == "Users" {
            let name = body["userName"].as_str().unwrap_or_default().to_owned();
            let same = |known: &Value| {
                let known = known["userName"].as_str().unwrap_or_default();
                known == name || (!exact && known.eq_ignore_ascii_case(&name))
            };
            if self.users.iter().any(same) && self.quirks.duplicate != Some(201) {
                return Err(self.quirks.duplicate.unwrap_or(409));
            }
        }
        body["id"] = self.id().into();
        for dropped in &self.quirks.drops {
            body.as_object_mut().unwrap().remove(*dropped);
        }
        self.store(kind)?.push(body.clone());
        Ok((201, if self.quirks.silent_create { Value::Null } else { body }))
    }

    fn patch(&mut self, kind: &str, id: &str, body: &Value) -> Answer {
        let quirks = self.quirks.clone();
        let found = self.find(kind, id)?;
        for operation in body["Operations"].as_array().unwrap() {
            let (op, path, value) = (&operation["op"], operation["path"].as_str(), &operation["value"]);
            match (op.as_str().unwrap(), path) {
                ("add", Some("members")) => {
                    let mut list = members(found);
                    list.extend(value.as_array().unwrap().iter().cloned());
                    found["members"] = list.into();
                }
                ("remove", Some(path)) if path.starts_with("members[") => match quirks.remove {
                    Remove::Works => {
                        let list = members(found);
                        let id = path.split('"').nth(1).unwrap();
                        found["members"] = list.into_iter().filter(|member| member["value"] != id).collect();
                    }
                    Remove::Unsupported => return Err(501),
                    Remove::Lies => {}
                },
                ("remove", Some("members")) => {
                    let gone = value.as_array().unwrap().clone();
                    let stay = |member: &Value| !quirks.values_wipe && !gone.contains(member);
                    found["members"] = members(found).into_iter().filter(stay).collect();
                }
                ("replace", Some(path)) if quirks.drops.contains(&path) => {}
                ("replace", Some(path)) => match path.split_once('.') {
                    Some((name, part)) => found[name][part] = value.clone(),
                    None => found[path] = value.clone(),
                },
                ("remove", Some(path)) => drop(found.as_object_mut().unwrap().remove(path)),
                ("replace", None) => {
                    let kept = value.as_object().unwrap().iter();
                    let kept = kept.filter(|(name, _)| !quirks.drops.contains(&name.as_str()));
                    found.as_object_mut().unwrap().extend(kept.map(|(n, v)| (n.clone(), v.clone())));
                }
                _ => return Err(400),
            }
        }
        Ok((200, found.clone()))
    }

    fn put(&mut self, kind: &str, id: &str, mut body: Value) -> Answer {
        if self.quirks.put_lies {
            return Ok((200, body));
        }
        for dropped in &self.quirks.drops {
            body.as_object_mut().unwrap().remove(*dropped);
        }
        *self.find(kind, id)? = body.clone();
        Ok((200, body))
    }

    fn delete(&mut self, kind: &str, id: &str) -> Answer {
        if self.quirks.soft {
            let found = self.find(kind, id)?;
            if found["active"] == false {
                return Err(404);
            }
            found["active"] = false.into();
        } else {
            self.find(kind, id)?;
            self.store(kind)?.retain(|known| known["id"] != id);
        }
        Ok((204, Value::Null))
    }
}

fn members(group: &Value) -> Vec<Value> {
    group["members"].as_array().cloned().unwrap_or_default()
}

/// `userName eq "x"` and `members.value eq "x"`.
fn matches_filter(resource: &Value, filter: &str, exact: bool) -> bool {
    let (path, value) = filter.split_once(" eq ").unwrap();
    let value: String = serde_json::from_str(value).unwrap();
    if path == "members.value" {
        return members(resource).iter().any(|member| member["value"] == value);
    }
    let found = resource[path].as_str().unwrap_or_default();
    found == value || (!exact && found.eq_ignore_ascii_case(&value))
}

async fn handle(State(fake): State<Fake>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut inner = fake.0.lock().unwrap();
    let path = uri.path().strip_prefix("/scim/").unwrap_or_default().to_owned();
    inner.log.push(format!("{method} /{path}"));
    if inner.quirks.html {
        return ([("content-type", "text/html")], "<p>please log in</p>").into_response();
    }
    if inner.quirks.redirect {
        return (StatusCode::TEMPORARY_REDIRECT, [("location", "/scim/v3")]).into_response();
    }
    let segments: Vec<&str> = path.split('/').collect();
    let query: Vec<(String, String)> =
        axum::extract::Query::try_from_uri(&uri).map(|query| query.0).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let answer = inner.answer(&method, &segments, &query, body);
    if method != Method::GET && inner.quirks.lose_answer {
        inner.quirks.lose_answer = false;
        let cut = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
        return Body::from_stream(cut).into_response();
    }
    let (status, body) = answer.unwrap_or_else(|status| {
        let detail = "no: Bearer secret-token is not the point";
        (status, json!({ "detail": detail, "status": status.to_string() }))
    });
    let status = StatusCode::from_u16(status).unwrap();
    if body.is_null() {
        return status.into_response();
    }
    (status, [("content-type", "application/scim+json")], body.to_string()).into_response()
}
