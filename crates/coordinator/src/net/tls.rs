//! Who may come in from other machines: whoever shows a certificate that this results folder has signed.
//!
//! The folder has an authority of its own, which signs the coordinator's certificate and the workers', and nothing else. It
//! is made with the first coordinator that lets others in, kept while the sweep is unfinished, so that its workers come
//! back to the next coordinator, and removed with the end of the sweep: nobody comes in with what was given out before.

use super::endpoint::private_folder;
use crate::error::CoordinatorError;
use frostline_protocol::SERVER_NAME;
use frostline_results::{Access, Conditions, Folder, Pass};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, version};

/// Days that certificates last; new ones are signed with each coordinator.
const DAYS: i64 = 90;
/// An address that no packet is sent to: the system says from where it would be.
const ELSEWHERE: &str = "192.0.2.1:9";

/// What workers of other machines may join.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Where to listen for them.
    pub address: SocketAddr,
    pub conditions: Conditions,
}

/// What a coordinator that listens for other machines has and gives out.
pub(super) struct Door {
    pub(super) acceptor: TlsAcceptor,
    pub(super) access: Access,
}

/// Opens the door of a results folder for a coordinator that listens at `bound`.
///
/// # Errors
/// The folder's authority cannot be read or made.
pub(super) fn open(
    folder: &Folder,
    invitation: &Invitation,
    token: &str,
    bound: SocketAddr,
) -> Result<Door, CoordinatorError> {
    let path = folder.authority();
    let failed = |source| CoordinatorError::File { path: path.clone(), source };
    let key = authority(folder).map_err(failed)?;
    sign(key, invitation, token, addresses(bound), OffsetDateTime::now_utc())
        .map_err(|error| failed(io::Error::other(error)))
}

/// Nobody comes in any more with what this folder has signed.
pub(crate) fn lock(folder: &Folder) {
    for file in [folder.access(), folder.authority()] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::error!("{} is not removed: {error}", file.display());
            }
            _ => {}
        }
    }
}

/// The key of the folder's authority, made where there is none.
fn authority(folder: &Folder) -> io::Result<KeyPair> {
    let path = folder.authority();
    match fs::read_to_string(&path) {
        Ok(text) => return KeyPair::from_pem(&text).map_err(io::Error::other),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    private_folder(&folder.run())?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(key.serialize_pem().as_bytes())?;
    file.sync_all()?;
    Ok(key)
}

fn sign(
    key: KeyPair,
    invitation: &Invitation,
    token: &str,
    addresses: Vec<String>,
    now: OffsetDateTime,
) -> Result<Door, Box<dyn std::error::Error + Send + Sync>> {
    let mut params = parameters("Frostline results folder", Vec::new(), now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    // The same name and key each time: what an earlier coordinator has signed stays good.
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let leaf = |name: &str, names: Vec<String>, usage: ExtendedKeyUsagePurpose| {
        let key = KeyPair::generate()?;
        let mut params = parameters(name, names, now)?;
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &issuer)?;
        Ok::<_, rcgen::Error>((certificate, key))
    };
    let server = leaf("Frostline coordinator", vec![SERVER_NAME.to_owned()], ExtendedKeyUsagePurpose::ServerAuth)?;
    let client = leaf("Frostline worker", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)?;

    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![server.0.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server.1.serialize_der())),
        )?;
    let access = Access {
        addresses,
        pass: Pass { conditions: invitation.conditions.clone(), token: token.to_owned() },
        authority: authority.pem(),
        certificate: client.0.pem(),
        key: client.1.serialize_pem(),
    };
    Ok(Door { acceptor: TlsAcceptor::from(Arc::new(config)), access })
}

fn parameters(name: &str, names: Vec<String>, now: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, name);
    // Clocks of machines differ a little.
    (params.not_before, params.not_after) = (now - Duration::hours(1), now + Duration::days(DAYS));
    Ok(params)
}

/// Under which addresses others may reach this machine, the likeliest first.
fn addresses(bound: SocketAddr) -> Vec<String> {
    if !bound.ip().is_unspecified() {
        return vec![bound.to_string()];
    }
    let port = bound.port();
    let name = frostline_results::host();
    let outward = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect(ELSEWHERE).and(socket.local_addr()));
    let outward = outward.ok().map(|address| SocketAddr::new(address.ip(), port).to_string());
    let all = outward.into_iter().chain([format!("{name}:{port}"), format!("127.0.0.1:{port}")]);
    let mut addresses = Vec::new();
    for address in all {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::net) fn invitation() -> Invitation {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let conditions = Conditions { sweep: "demo".to_owned(), on_gpu: false, deterministic: false, threads: 1 };
        Invitation { address, conditions }
    }

    /// What a folder gave out so many days ago.
    pub(in crate::net) fn access_of_old(folder: &Folder, days: i64) -> Access {
        let key = authority(folder).unwrap();
        let then = OffsetDateTime::now_utc() - Duration::days(days);
        sign(key, &invitation(), "token", Vec::new(), then).unwrap_or_else(|error| panic!("{error}")).access
    }

    #[test]
    fn a_folder_keeps_its_authority_until_its_sweep_is_over() {
        let results = tempfile::tempdir().unwrap();
        let folder = Folder::new(results.path());
        let key = || authority(&folder).unwrap().public_key_pem();
        let first = key();
        assert_eq!(key(), first);
        lock(&folder);
        lock(&folder);
        assert_ne!(key(), first);
    }

    #[test]
    fn whoever_listens_everywhere_names_where_it_may_be_reached() {
        let here = SocketAddr::from(([127, 0, 0, 1], 7171));
        assert_eq!(addresses(here), ["127.0.0.1:7171"]);
        let everywhere = addresses(SocketAddr::from(([0, 0, 0, 0], 7171)));
        assert_eq!(everywhere.last().map(String::as_str), Some("127.0.0.1:7171"), "{everywhere:?}");
        assert!(
            everywhere.len() > 1 && everywhere.iter().all(|address| address.ends_with(":7171")),
            "{everywhere:?}"
        );
    }
}
