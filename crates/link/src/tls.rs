//! The way to a coordinator on another machine: TCP with TLS 1.3, by which both sides prove who they are.

use frostline_protocol::{SERVER_NAME, UNCONFIRMED};
use frostline_results::Access;
use rustix::net::sockopt::set_tcp_user_timeout;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};

/// For each address.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the first address that answers as the coordinator of this results folder.
///
/// # Errors
/// None does; says what each did. Where nobody answers at all it is [`io::ErrorKind::HostUnreachable`].
pub async fn connect(access: &Access) -> io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(config(access)?));
    let (mut tried, is_answered) = (Vec::new(), AtomicBool::new(false));
    for address in &access.addresses {
        let attempt = async {
            let stream = TcpStream::connect(address).await?;
            is_answered.store(true, Ordering::Relaxed);
            stream.set_nodelay(true)?;
            set_tcp_user_timeout(&stream, UNCONFIRMED)?;
            let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
            connector.connect(name, stream).await
        };
        match timeout(TIMEOUT, attempt).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => tried.push(format!("{address}: {error}")),
            Err(_) => tried.push(format!("{address}: no answer within {} s", TIMEOUT.as_secs())),
        }
    }
    let kind =
        if is_answered.load(Ordering::Relaxed) { io::ErrorKind::Other } else { io::ErrorKind::HostUnreachable };
    Err(io::Error::new(kind, tried.join("; ")))
}

fn config(access: &Access) -> io::Result<ClientConfig> {
    let certificate = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).map_err(io::Error::other);
    let mut roots = RootCertStore::empty();
    // This folder's authority and no other.
    roots.add(certificate(&access.authority)?).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(access.key.as_bytes()).map_err(io::Error::other)?;
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate(&access.certificate)?], key)
        .map_err(io::Error::other)
}
