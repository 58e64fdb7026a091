//! A server on a port of its own, and a client of it.

use std::sync::Arc;

use provost_directory::{BASE_PATH, Directory, Settings, serve};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub const TOKEN: &str = "a-token-of-the-tests";

/// Ends with the test.
pub struct Server {
    pub base: String,
    pub client: Client,
    pub folder: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

/// What came back. An empty body is null.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let directory = Directory::open(folder.path().join("people.db")).expect("a new directory opens");
        Self::with(folder, directory).await
    }

    pub async fn with(folder: tempfile::TempDir, directory: Directory) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("the listener has an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let settings = Settings::new(TOKEN.to_owned().into());
        tokio::spawn(serve(listener, Arc::new(directory), settings, async { drop(stopped.await) }));
        Self { base: format!("http://{address}{BASE_PATH}"), client: Client::new(), folder, _stop: stop }
    }

    /// A request with a header of its own; `body` null: none.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        header: Option<(&str, &str)>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(TOKEN);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if !body.is_null() {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the body is text");
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).expect("the body is JSON")
        };
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &Value::Null, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, body, None).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PUT, path, body, None).await
    }

    pub async fn patch(&self, path: &str, operations: Value) -> Answer {
        let body =
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
        self.ask(Method::PATCH, path, &body, None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &Value::Null, None).await
    }

    /// Creates a user that has `more` attributes; answers its id.
    pub async fn user(&self, name: &str, more: Value) -> String {
        let mut body = json!({"schemas": [USER], "userName": name});
        merge(&mut body, more);
        self.post("/Users", &body).await.created()
    }

    /// Creates a group of these members; answers its id.
    pub async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        self.post("/Groups", &json!({"schemas": [GROUP], "displayName": name, "members": members}))
            .await
            .created()
    }

    /// The userNames or displayNames that a list has.
    pub async fn names(&self, path: &str) -> Vec<String> {
        self.get(path).await.names()
    }

    /// The names of what a filter matches.
    pub async fn matching(&self, endpoint: &str, filter: &str) -> Vec<String> {
        self.names(&format!("{endpoint}?filter={}", encode(filter))).await
    }
}

impl Answer {
    /// The id of a resource that was created.
    #[track_caller]
    pub fn created(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.body);
        self.body["id"].as_str().expect("a resource has an id").to_owned()
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn names(self) -> Vec<String> {
        let body = self.ok();
        let resources = body["Resources"].as_array().expect("a list has Resources");
        let name = |resource: &Value| {
            resource["userName"].as_str().or(resource["displayName"].as_str()).map(str::to_owned)
        };
        resources.iter().filter_map(name).collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Checks the body of an error (RFC 7644, section 3.12).
    #[track_caller]
    pub fn refused(&self, status: u16, scim_type: Option<&str>) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
        assert_eq!(self.body["status"], json!(status.to_string()));
        assert_eq!(self.body.get("scimType").and_then(Value::as_str), scim_type, "{}", self.body);
        assert!(self.body["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/scim+json");
    }
}

pub fn encode(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
