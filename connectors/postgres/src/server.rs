//! One server: how it is reached, its connections, and what is known of it.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use provost_sdk::{Error, ErrorKind, ExposeSecret, Result, Settings};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use crate::error::While;
use crate::tls::Tls;

/// A server that a target names, with connections that are opened when they are needed and kept.
#[derive(Debug)]
pub(crate) struct Server {
    settings: Settings,
    config: Config,
    tls: Option<Tls>,
    /// Roles that are protected by default and may be touched here.
    manage: BTreeSet<String>,
    idle: Mutex<Vec<Client>>,
    calls: Semaphore,
    facts: OnceCell<Facts>,
}

/// What does not change while a connection is open.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// `server_version_num`, such as 160003.
    pub version: i32,
    /// The oid of the role that provost is.
    pub me: u32,
}

impl Facts {
    /// Whether memberships have inherit and set options and one row per grantor.
    pub(crate) fn membership_options(&self) -> bool {
        self.version >= 160_000
    }
}

/// A connection in use. It is kept for the next call only when it is given back, which nobody does after a failure.
pub(crate) struct Session<'s> {
    /// The connection.
    pub client: Client,
    server: &'s Server,
    _call: SemaphorePermit<'s>,
}

impl Session<'_> {
    /// Keeps the connection for the next call.
    pub(crate) fn give_back(self) {
        self.server.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.client);
    }
}

impl Server {
    /// Reads the settings; nothing is called yet.
    pub(crate) fn new(settings: &Settings) -> Result<Server> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        let host = settings.text("host")?;
        let here = host.starts_with('/')
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let secure = match settings.optional_text("sslmode")?.unwrap_or("verify-full") {
            "verify-full" => !host.starts_with('/'),
            "disable" if here => false,
            "disable" => {
                return wrong(format!(
                    "The target {} asks for `sslmode: disable`, and {host} is not this machine.",
                    settings.target
                ));
            }
            other => {
                return wrong(format!("`sslmode` must be `verify-full` or `disable`, and is `{other}`."));
            }
        };
        let Ok(port) = u16::try_from(settings.number("port")?.unwrap_or(5432)) else {
            return wrong("`port` must be a number up to 65535.".into());
        };
        let mut config = Config::new();
        config
            .host(host)
            .port(port)
            .dbname(settings.optional_text("database")?.unwrap_or("postgres"))
            .user(settings.text("user")?)
            .application_name("provost")
            .connect_timeout(settings.limits.timeout)
            .ssl_mode(if secure { SslMode::Require } else { SslMode::Disable })
            // Notices say what was so already, which is looked at before every change.
            .options(format!(
                "-c statement_timeout={} -c client_min_messages=error",
                settings.limits.timeout.as_millis()
            ));
        if let Some(password) = settings.secrets.get("password") {
            config.password(password.expose_secret());
        }
        let manage = match settings.config.get("manage") {
            None | Some(serde_json::Value::Null) => BTreeSet::new(),
            Some(list) => serde_json::from_value(list.clone()).map_err(|error| {
                Error::new(ErrorKind::Configuration, "`manage` must be a list of role names.").because(error)
            })?,
        };
        let tls = match secure {
            true => Some(Tls::new(settings.optional_text("ca_file")?)?),
            false => None,
        };
        Ok(Server {
            calls: Semaphore::new(settings.limits.concurrency.max(1)),
            settings: settings.clone(),
            config,
            tls,
            manage,
            idle: Mutex::default(),
            facts: OnceCell::new(),
        })
    }

    /// The settings that it was made of.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a protected role was named for being touched all the same.
    pub(crate) fn manages(&self, role: &str) -> bool {
        self.manage.contains(role)
    }

    /// A connection for one call: a kept one, or a new one.
    pub(crate) async fn session(&self) -> Result<Session<'_>> {
        let call =
            self.calls.acquire().await.map_err(|error| {
                Error::new(ErrorKind::Unavailable, "No more calls are made.").because(error)
            })?;
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|client| !client.is_closed());
            idle.pop()
        };
        let client = match kept {
            Some(client) => client,
            None => self.connect(&self.config).await?,
        };
        Ok(Session { client, server: self, _call: call })
    }

    /// A new connection to another database of the same server.
    pub(crate) async fn database(&self, name: &str) -> Result<Client> {
        let mut config = self.config.clone();
        self.connect(config.dbname(name)).await
    }

    /// A new connection as somebody else.
    pub(crate) async fn sign_in(&self, user: &str, password: &str) -> Result<Client> {
        let mut config = self.config.clone();
        self.connect(config.user(user).password(password)).await
    }

    /// What is known of the server and of provost's own role there.
    pub(crate) async fn facts(&self, client: &Client) -> Result<&Facts> {
        self.facts
            .get_or_try_init(async || {
                let row = client
                    .query_one(
                        "SELECT current_setting('server_version_num')::int, oid FROM pg_catalog.pg_roles
                         WHERE rolname = current_user",
                        &[],
                    )
                    .await
                    .when("reading its version")?;
                Ok(Facts { version: row.get(0), me: row.get(1) })
            })
            .await
    }

    /// Waits for a call no longer than the settings allow.
    pub(crate) async fn within<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.settings.limits.timeout, call).await {
            Ok(done) => done,
            Err(_) => Err(Error::new(ErrorKind::Timeout, "The server gave no answer in time.").in_doubt()),
        }
    }

    async fn connect(&self, config: &Config) -> Result<Client> {
        // The other half of a connection ends with its client, or tells the client that it has ended.
        match &self.tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await.when("connecting")?;
                tokio::spawn(async move { connection.await.map_err(|error| tracing::debug!(%error)) });
                Ok(client)
            }
            None => {
                let (client, connection) = config.connect(NoTls).await.when("connecting")?;
                tokio::spawn(async move { connection.await.map_err(|error| tracing::debug!(%error)) });
                Ok(client)
            }
        }
    }
}
