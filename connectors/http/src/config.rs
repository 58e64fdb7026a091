//! The settings that every HTTP connector shares.

use std::path::PathBuf;

use provost_sdk::{Error, ErrorKind, Limits, Result, SecretString, Setting, SettingKind, Settings};
use url::{Host, Url};

/// The settings that [`Config::from_settings`] reads. A connector declares them beside its own.
pub const SETTINGS: [Setting; 6] = [
    Setting {
        name: "url",
        kind: SettingKind::Url,
        required: true,
        place: true,
        about: "The base address of the API. Plain http is taken for this machine only.",
    },
    Setting {
        name: "token",
        kind: SettingKind::Secret,
        required: false,
        place: false,
        about: "A bearer token. Give this, or `username` and `password`.",
    },
    Setting {
        name: "username",
        kind: SettingKind::Text,
        required: false,
        place: false,
        about: "The user name for Basic authentication.",
    },
    Setting {
        name: "password",
        kind: SettingKind::Secret,
        required: false,
        place: false,
        about: "The password for Basic authentication.",
    },
    Setting {
        name: "ca_file",
        kind: SettingKind::Text,
        required: false,
        place: false,
        about: "A PEM file of certificate authorities to trust beside those of the machine.",
    },
    Setting {
        name: "allow_plain_http",
        kind: SettingKind::Bool,
        required: false,
        place: false,
        about: "Takes plain http for other machines too, where the network itself is trusted.",
    },
];

/// How the client says who it is.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// RFC 6750.
    Bearer(SecretString),
    /// RFC 7617.
    Basic {
        /// The user name; it holds no colon.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// How a client is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Target's id, for messages.
    pub target: String,
    /// The base address, without a query, a fragment or a trailing slash.
    pub base: Url,
    /// Who it is.
    pub auth: Auth,
    /// What to keep to.
    pub limits: Limits,
    /// A PEM file with more certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// What the client asks for in `Accept`.
    pub accept: &'static str,
}

impl Config {
    /// Reads [`SETTINGS`]. Errors are of kind configuration and name the setting, never its value if that is secret.
    pub fn from_settings(settings: &Settings) -> Result<Config> {
        Ok(Config {
            target: settings.target.clone(),
            base: base(settings)?,
            auth: auth(settings)?,
            limits: settings.limits,
            ca_file: settings.optional_text("ca_file")?.map(PathBuf::from),
            accept: "application/json",
        })
    }
}

/// Whether a URL leads to this machine only.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn base(settings: &Settings) -> Result<Url> {
    let wrong = |what: &str| {
        Error::new(
            ErrorKind::Configuration,
            format!("The setting `url` of the target {} {what}.", settings.target),
        )
    };
    let mut url = Url::parse(settings.text("url")?).map_err(|error| wrong("is no URL").because(error))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) || settings.flag("allow_plain_http", false)? => {}
        "http" => {
            return Err(wrong(
                "is plain http: the credential would cross the network readable. Use https, or set \
                 `allow_plain_http: true` where the network itself is trusted",
            ));
        }
        _ => return Err(wrong("must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a credential: name it under `secrets:` instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must have no query and no fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn auth(settings: &Settings) -> Result<Auth> {
    let wrong =
        |what: &str| Error::new(ErrorKind::Configuration, format!("The target {} {what}.", settings.target));
    let username = settings.optional_text("username")?;
    match (settings.secrets.get("token"), username, settings.secrets.get("password")) {
        (None, None, None) => Ok(Auth::None),
        (Some(token), None, None) => Ok(Auth::Bearer(token.clone())),
        (None, Some(username), Some(password)) if !username.contains(':') => {
            Ok(Auth::Basic { username: username.to_owned(), password: password.clone() })
        }
        (None, Some(username), Some(_)) if username.contains(':') => {
            Err(wrong("has a `username` with a colon, which Basic authentication cannot carry"))
        }
        (None, _, _) => Err(wrong("needs both `username` under `config:` and `password` under `secrets:`")),
        (Some(_), _, _) => Err(wrong("has both a `token` and a `username` or `password`: give one of them")),
    }
}
