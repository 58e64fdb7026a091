//! TLS is verified, and an authority of one's own can be added.

use std::sync::Arc;

use provost_http::{Client, Config, Method, Request};
use provost_sdk::ErrorKind;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::client::settings;

/// A server for `name`, with a certificate of an authority of its own; its address and the authority in PEM.
async fn serve(name: &str) -> (u16, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut seen = [0; 1024];
                let _request = stream.read(&mut seen).await?;
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                    .await?;
                stream.shutdown().await
            });
        }
    });
    (port, pem)
}

fn client(port: u16, authority: Option<&str>, folder: &std::path::Path) -> Client {
    let mut settings = settings(&format!("https://localhost:{port}"));
    if let Some(authority) = authority {
        let file = folder.join("ca.pem");
        std::fs::write(&file, authority).unwrap();
        settings.config.insert("ca_file".to_owned(), file.to_str().unwrap().into());
    }
    Client::new(Config::from_settings(&settings).unwrap()).unwrap()
}

#[tokio::test]
async fn a_certificate_of_an_added_authority_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (port, authority) = serve("localhost").await;
    let client = client(port, Some(&authority), folder.path());
    let answer = client.send(Request::new(Method::GET, "/")).await.unwrap();
    assert_eq!(answer.json().unwrap(), serde_json::json!({}));
}

#[tokio::test]
async fn a_certificate_of_nobody_and_one_for_another_name_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (stranger, _) = serve("localhost").await;
    let (other_name, authority) = serve("elsewhere.example.com").await;
    let (_, other_authority) = serve("localhost").await;
    for client in [
        client(stranger, Some(&other_authority), folder.path()),
        client(other_name, Some(&authority), folder.path()),
    ] {
        let error = client.send(Request::new(Method::POST, "/")).await.unwrap_err();
        assert_eq!((error.kind.clone(), error.may_have_landed), (ErrorKind::Unavailable, false));
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(client.calls(), 1, "trying again changes nothing");
    }
}
