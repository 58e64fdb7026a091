//! TLS by rustls: the certificate is verified against the authorities and the name of the host.

use std::fmt;
use std::sync::Arc;

use provost_sdk::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Makes verified connections.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// With the authorities of a PEM file, or else with those of the machine.
    pub(crate) fn new(ca_file: Option<&str>) -> Result<Tls> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                let unusable = |error: String| {
                    let message = format!("The certificates in {path} cannot be used: {error}.");
                    Error::new(ErrorKind::Configuration, message)
                };
                for certificate in
                    CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?
                {
                    let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                    roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(unusable("there is none".into()));
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Configuration, "TLS cannot be set up.").because(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls(TlsConnector::from(Arc::new(config))))
    }

    /// Secures a connection to this host.
    pub(crate) async fn secure(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("{host} is no name of a host.")).because(error)
        })?;
        self.0.connect(name, stream).await.map_err(|error| {
            let refused = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            let kind = if refused { ErrorKind::Configuration } else { ErrorKind::Unavailable };
            let message = match refused {
                true => format!("The server's certificate or TLS is not accepted: {error}."),
                false => format!("The connection ended while it was being secured: {error}."),
            };
            Error::new(kind, message).because(error)
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
