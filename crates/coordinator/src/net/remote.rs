//! The way in from other machines: a port, and the file that lets workers in.

use super::House;
use super::greet::Stranger;
use super::listen::{Incoming, accept};
use super::tls::{self, Invitation};
use crate::error::CoordinatorError;
use frostline_results::Folder;
use std::io;
use std::net::TcpListener as StdListener;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Accepts until it is dropped.
pub(crate) struct Remote {
    accepting: JoinHandle<()>,
}

impl Remote {
    /// Listens at `address`, where port 0 takes any, and leaves word of it in the results folder.
    ///
    /// # Errors
    /// The address cannot be had, or the folder takes no file.
    pub(crate) fn start(
        runtime: &Handle,
        folder: &Folder,
        invitation: &Invitation,
        house: House,
    ) -> Result<Remote, CoordinatorError> {
        let bind = || {
            let listener = StdListener::bind(invitation.address)?;
            listener.set_nonblocking(true)?;
            let _entered = runtime.enter();
            let bound = listener.local_addr()?;
            io::Result::Ok((TcpListener::from_std(listener)?, bound))
        };
        let (listener, bound) =
            bind().map_err(|source| CoordinatorError::Address { address: invitation.address, source })?;
        let tls::Door { acceptor, access } = tls::open(folder, invitation, &house.token, bound)?;
        let path = folder.access();
        access.write(&path).map_err(|source| CoordinatorError::File { path, source })?;
        let door = Guarded { listener, acceptor };
        let accepting = runtime.spawn(accept(door, house));
        tracing::info!(address = %bound, "workers of other machines may join");
        Ok(Remote { accepting })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Guarded {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Incoming for Guarded {
    async fn next(&self) -> io::Result<Stranger> {
        Ok(Stranger::Remote(self.listener.accept().await?.0, self.acceptor.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tls::tests::{access_of_old, invitation};
    use super::*;
    use crate::net::Event;
    use crate::net::hello_of_tests;
    use frostline_protocol::codec::encode;
    use frostline_protocol::{Greeting, SERVER_NAME, ToWorker};
    use frostline_results::Access;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc::{Receiver, channel};
    use tokio::time::timeout;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};

    /// No test waits as long as this for anything.
    const FOR_EVER: Duration = Duration::from_secs(60);

    /// A results folder whose coordinator listens.
    struct Inn {
        folder: Folder,
        remote: Remote,
        events: Receiver<Event>,
        _results: tempfile::TempDir,
    }

    impl Inn {
        fn open() -> Inn {
            let results = tempfile::tempdir().unwrap();
            let folder = Folder::new(results.path());
            let (to, events) = channel(64);
            let remote = Remote::start(&Handle::current(), &folder, &invitation(), House::of_tests(to)).unwrap();
            Inn { folder, remote, events, _results: results }
        }

        fn access(&self) -> Access {
            Access::read(&self.folder.access()).unwrap()
        }

        async fn event(&mut self) -> Event {
            timeout(FOR_EVER, self.events.recv()).await.expect("something happens").expect("somebody listens")
        }

        /// Why the next one was turned away.
        async fn reason(&mut self) -> String {
            loop {
                match self.event().await {
                    Event::TurnedAway { reason } => break reason,
                    Event::Joined { .. } => panic!("somebody was let in"),
                    // One who was let in before has left.
                    _ => {}
                }
            }
        }
    }

    /// Connects to the coordinator of `to` with what `with` proves, or with nothing.
    async fn dial(to: &Access, with: Option<&Access>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(to.authority.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match with {
            Some(access) => {
                let certificate = CertificateDer::from_pem_slice(access.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(access.key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(&to.addresses[0]).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(SERVER_NAME).unwrap(), stream).await
    }

    fn greeting(token: &str) -> Vec<u8> {
        let mut frame = Vec::new();
        encode(&Greeting::Worker(hello_of_tests(token)), &mut frame).unwrap();
        frame
    }

    #[tokio::test]
    async fn whoever_has_the_access_file_is_let_in() {
        let mut inn = Inn::open();
        let access = inn.access();
        let mut stream = dial(&access, Some(&access)).await.unwrap();
        stream.write_all(&greeting("token")).await.unwrap();
        assert!(matches!(inn.event().await, Event::Joined { .. }));
        // The certificate alone is not enough.
        let mut stream = dial(&access, Some(&access)).await.unwrap();
        stream.write_all(&greeting("guessed")).await.unwrap();
        assert_eq!(inn.reason().await, "a worker (process 1 of w) showed a wrong token");
    }

    #[tokio::test]
    async fn whoever_has_none_or_anothers_or_an_old_one_is_not() {
        let mut inn = Inn::open();
        let access = inn.access();
        let other = Inn::open().access();
        let expired = access_of_old(&inn.folder, 91);
        let wrong = [
            (None, "peer sent no certificates"),
            (Some(&other), "BadSignature"),
            (Some(&expired), "certificate expired"),
        ];
        for (with, said) in wrong {
            // With TLS 1.3 the client learns of it when it reads.
            if let Ok(mut stream) = dial(&access, with).await {
                let _ = stream.write_all(&greeting("token")).await;
                let mut answer = Vec::new();
                assert!(stream.read_to_end(&mut answer).await.is_err() && answer.is_empty(), "{said}");
            }
            let reason = inn.reason().await;
            assert!(reason.starts_with("somebody from 127.0.0.1 showed no certificate of ours"), "{reason}");
            assert!(reason.contains(said), "{said}: {reason}");
        }
        // And a worker does not speak with a coordinator of another folder that has taken its port.
        let impostor = Access { addresses: access.addresses.clone(), ..other.clone() };
        assert!(dial(&impostor, Some(&impostor)).await.is_err());
        inn.reason().await;
        // Once the sweep is over, what was given out opens nothing.
        let Inn { folder, remote, .. } = inn;
        drop(remote);
        tls::lock(&folder);
        let (to, events) = channel(64);
        let remote = Remote::start(&Handle::current(), &folder, &invitation(), House::of_tests(to)).unwrap();
        let mut next = Inn { folder, remote, events, _results: tempfile::tempdir().unwrap() };
        let now = next.access();
        if let Ok(mut stream) = dial(&now, Some(&access)).await {
            let _ = stream.write_all(&greeting("token")).await;
            assert!(stream.read_u8().await.is_err());
        }
        assert!(next.reason().await.contains("BadSignature"));
    }

    #[tokio::test]
    async fn what_is_no_message_of_ours_ends_its_connection() {
        let mut inn = Inn::open();
        let access = inn.access();
        let mut plain = TcpStream::connect(&access.addresses[0]).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
        assert!(inn.reason().await.contains("showed no certificate of ours"));
        // Nobody has to make room for what is only announced.
        for announced in [u32::MAX, 5 << 10] {
            let mut stream = dial(&access, Some(&access)).await.unwrap();
            stream.write_all(&announced.to_be_bytes()).await.unwrap();
            let reason = inn.reason().await;
            assert!(reason.contains("longer than") || reason.contains("frame size too big"), "{reason}");
        }
    }

    /// Ten times as many as are looked at at a time say nothing, and stay.
    #[tokio::test(flavor = "multi_thread")]
    async fn many_who_say_nothing_keep_nobody_out() {
        let mut inn = Inn::open();
        let access = inn.access();
        // As many as this process may have, and the coordinator's end of some of them is in it, too.
        let limits = getrlimit(Resource::Nofile);
        let most = limits.maximum.unwrap_or(u64::MAX);
        setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).unwrap();
        let many = (most.saturating_sub(2_000)).min(10_000);
        let (there, mut come) = channel(many as usize);
        for _ in 0..many {
            let (address, there) = (access.addresses[0].clone(), there.clone());
            tokio::spawn(async move {
                let _held = TcpStream::connect(&address).await;
                let _ = there.send(()).await;
                std::future::pending::<()>().await;
            });
        }
        // More than are looked at at a time are there before the worker.
        for _ in 0..many.min(1_100) {
            come.recv().await;
        }
        let comes = tokio::spawn(async move {
            loop {
                // As a worker does, which tries again.
                let Ok(Ok(mut stream)) = timeout(Duration::from_secs(10), dial(&access, Some(&access))).await else {
                    continue;
                };
                if stream.write_all(&greeting("token")).await.is_ok() && stream.read_u8().await.is_ok() {
                    return;
                }
            }
        });
        let outbox = loop {
            match inn.event().await {
                Event::Joined { outbox, .. } => break outbox,
                Event::TurnedAway { .. } => {}
                _ => panic!("something else happened"),
            }
        };
        assert!(outbox.send(ToWorker::Drain));
        comes.await.unwrap();
    }
}
