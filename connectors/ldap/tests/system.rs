//! Real servers for tests.

use std::process::Stdio;

use provost_conformance::systems::Running;
use provost_sdk::{SecretString, Settings};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A directory that runs until this is dropped.
pub(crate) struct System {
    running: Running,
    /// The DN of its accounts and its groups.
    accounts: &'static str,
    groups: &'static str,
}

impl System {
    /// Starts OpenLDAP, whose size limit for everybody but its administrator is this.
    pub(crate) async fn openldap(size_limit: &str) -> System {
        System::openldap_with(&[("SIZE_LIMIT", size_limit)]).await
    }

    /// Starts OpenLDAP that keeps no log of what was deleted.
    pub(crate) async fn openldap_without_log() -> System {
        System::openldap_with(&[("SESSION_LOG", "0")]).await
    }

    /// Starts OpenLDAP without a limit, with these entries in it.
    pub(crate) async fn openldap_of(ldif: &str) -> System {
        let file = std::env::temp_dir().join(format!("provost-ldap-{}.ldif", std::process::id()));
        std::fs::write(&file, ldif).unwrap();
        let system =
            System::openldap_with(&[("SIZE_LIMIT", "unlimited"), ("LDIF", &file.to_string_lossy())]).await;
        std::fs::remove_file(&file).unwrap();
        system
    }

    async fn openldap_with(variables: &[(&str, &str)]) -> System {
        System {
            running: start("openldap", variables).await,
            accounts: "ou=people,dc=example,dc=org",
            groups: "ou=groups,dc=example,dc=org",
        }
    }

    /// OpenLDAP: how many searches it has answered.
    pub(crate) fn searches(&self) -> usize {
        let log = std::fs::read_to_string(self.running.folder().join("log")).unwrap();
        log.lines().filter(|line| line.contains(" SRCH base=")).count()
    }

    /// Starts an Active Directory.
    pub(crate) async fn active_directory() -> System {
        System {
            running: start("samba-ad", &[]).await,
            accounts: "CN=Users,DC=example,DC=org",
            groups: "CN=Users,DC=example,DC=org",
        }
    }

    /// What the script wrote.
    pub(crate) fn setting(&self, name: &str) -> String {
        self.running.setting(name).unwrap().to_owned()
    }

    /// Settings of somebody, with a URL of the script.
    pub(crate) fn settings(&self, url: &str, user: &str, password: &str) -> Settings {
        let config = json!({
            "url": self.setting(url),
            "user": user,
            "accounts": self.accounts,
            "groups": self.groups,
            "ca_file": self.setting("CA_FILE"),
        });
        Settings {
            target: "throwaway".into(),
            config: config.as_object().cloned().unwrap(),
            secrets: [("password".to_owned(), SecretString::from(password.to_owned()))].into(),
            ..Settings::default()
        }
    }

    /// Makes entries of LDIF past the connector.
    pub(crate) async fn add(&self, ldif: &str) {
        self.by_hand("ldapadd", &[], ldif).await;
    }

    /// Changes entries by LDIF past the connector.
    pub(crate) async fn modify(&self, ldif: &str) {
        self.by_hand("ldapmodify", &[], ldif).await;
    }

    /// What the server shows past the connector, as LDIF.
    pub(crate) async fn search(&self, filter: &str, attributes: &[&str]) -> String {
        let base = self.setting("BASE_DN");
        let arguments = [&["-LLL", "-o", "ldif-wrap=no", "-b", &base, filter], attributes].concat();
        self.by_hand("ldapsearch", &arguments, "").await
    }

    async fn by_hand(&self, program: &str, arguments: &[&str], input: &str) -> String {
        let (user, password) = (self.setting("ADMIN_USER"), self.setting("ADMIN_PASSWORD"));
        let mut child = Command::new(program)
            .args(["-x", "-H", &self.setting("LDAPS_URL"), "-D", &user, "-w", &password])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.setting("CA_FILE"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let done = child.wait_with_output().await.unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Settings of the administrator.
    pub(crate) fn administrator(&self, url: &str) -> Settings {
        self.settings(url, &self.setting("ADMIN_USER"), &self.setting("ADMIN_PASSWORD"))
    }
}

async fn start(name: &'static str, variables: &[(&str, &str)]) -> Running {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let start = move || {
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Running::start_with(name, &variables)
    };
    tokio::task::spawn_blocking(start).await.unwrap().unwrap()
}
