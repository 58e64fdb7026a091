//! A real server for a test.

use provost_conformance::systems::Running;
use provost_sdk::{SecretString, Settings};
use serde_json::json;
use tokio_postgres::{Client, NoTls};

/// A server that runs until this is dropped, and its superuser's connection.
pub(crate) struct System {
    running: Running,
    /// A connection past the connector.
    pub by_hand: Client,
}

impl System {
    /// Starts a server of version 15.
    pub(crate) async fn start() -> System {
        System::named("postgres").await
    }

    /// Starts a server of version 18, where memberships have options and a row for each who granted one.
    pub(crate) async fn newer() -> System {
        System::named("postgres18").await
    }

    async fn named(name: &'static str) -> System {
        let running = tokio::task::spawn_blocking(move || Running::start(name)).await.unwrap().unwrap();
        let by_hand = connect(&running, "postgres").await;
        System { running, by_hand }
    }

    /// Settings of somebody who connects over verified TLS.
    pub(crate) fn settings(&self, user: &str, password: &str) -> Settings {
        let config = json!({
            "host": "127.0.0.1",
            "port": self.running.setting("PORT").unwrap().parse::<u16>().unwrap(),
            "user": user,
            "ca_file": self.running.setting("CA_FILE").unwrap(),
        });
        Settings {
            target: "throwaway".into(),
            config: config.as_object().cloned().unwrap(),
            secrets: [("password".to_owned(), SecretString::from(password.to_owned()))].into(),
            ..Settings::default()
        }
    }

    /// Everything that the server has logged, every statement included.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.running.folder().join("log")).unwrap()
    }

    /// A connection to another database past the connector.
    pub(crate) async fn database(&self, name: &str) -> Client {
        connect(&self.running, name).await
    }

    /// Runs statements as the superuser.
    pub(crate) async fn run(&self, sql: &str) {
        self.by_hand.batch_execute(sql).await.unwrap();
    }
}

async fn connect(running: &Running, database: &str) -> Client {
    let mut config = tokio_postgres::Config::new();
    let port = running.setting("PORT").unwrap().parse().unwrap();
    config.host("127.0.0.1").port(port).user("admin").password("adminpw").dbname(database);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
