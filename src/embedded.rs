//! The embedded directories: real SCIM servers inside the daemon's own process, spoken to over loopback HTTP exactly
//! as foreign ones are.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use provost_directory::Directory;
use provost_sdk::SecretString;
use tokio::net::TcpListener;

use crate::settings::{Settings, SettingsError};

/// One directory to serve.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its SQLite file.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What its clients must show.
    pub token: SecretString,
}

/// A directory that listens.
#[derive(Debug)]
pub struct Bound {
    /// Where.
    pub address: SocketAddr,
    listener: TcpListener,
    directory: Arc<Directory>,
    settings: provost_directory::Settings,
}

/// Why a directory is not served.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its address is taken.
    #[error(
        "Nothing can listen on {address}: {source}.\n  hint: another provost may be running there; stop it, or choose another address."
    )]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its file cannot be used.
    #[error("The directory {} cannot be opened: {source}.", data.display())]
    Open {
        /// Which file.
        data: PathBuf,
        /// Why.
        source: provost_directory::Error,
    },
    /// It stopped.
    #[error("The directory stopped: {0}.")]
    Stopped(#[from] provost_directory::Error),
    /// Its token is not there.
    #[error(transparent)]
    Token(#[from] SettingsError),
}

/// The embedded directories that the settings name.
pub fn servers(settings: &Settings) -> Result<Vec<Server>, EmbeddedError> {
    let server = |directory: &crate::settings::EmbeddedDirectory| {
        let token = settings.secret(&directory.token, None)?;
        Ok(Server { data: directory.data.clone(), listen: directory.listen, token })
    };
    settings.directory.iter().map(server).collect()
}

/// Opens the file and the address.
pub async fn bind(server: &Server) -> Result<Bound, EmbeddedError> {
    let failed = |source| EmbeddedError::Listen { address: server.listen, source };
    let listener = TcpListener::bind(server.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let directory = Directory::open(&server.data)
        .map_err(|source| EmbeddedError::Open { data: server.data.clone(), source })?;
    let settings = provost_directory::Settings::new(server.token.clone());
    Ok(Bound { address, listener, directory: Arc::new(directory), settings })
}

impl Bound {
    /// Serves until `stopped` is done.
    pub async fn run(self, stopped: impl Future<Output = ()> + Send + 'static) -> Result<(), EmbeddedError> {
        Ok(provost_directory::serve(self.listener, self.directory, self.settings, stopped).await?)
    }
}

/// Serves all directories of the settings in the background, until the process ends. An address that is taken is
/// passed over when `others_may_serve`: a running daemon serves it.
pub async fn serve_all(settings: &Settings, others_may_serve: bool) -> Result<(), EmbeddedError> {
    for server in servers(settings)? {
        match bind(&server).await {
            Ok(bound) => {
                tracing::info!(address = %bound.address, "an embedded directory listens");
                tokio::spawn(async move {
                    if let Err(error) = bound.run(std::future::pending()).await {
                        tracing::error!(%error, "an embedded directory stopped");
                    }
                });
            }
            Err(EmbeddedError::Listen { source, .. })
                if others_may_serve && source.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
