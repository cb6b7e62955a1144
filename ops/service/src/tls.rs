//! TLS of a port: the certificate and the key come from files, and are read again when they change.
//! Connections go on with what they began with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::Shutdown;

/// How often the files are looked at. SIGHUP makes it at once.
pub const FILES_EVERY: Duration = Duration::from_secs(10);

/// The protocols that are offered, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why a certificate and its key cannot be used. What was used before stays in use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not PEM, or has no certificate or key.
    #[error("{}: {error}", path.display())]
    Pem {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// The certificate cannot be used, or the key is not its key.
    #[error("the certificate and the key: {0}")]
    Unusable(#[from] rustls::Error),
}

/// See the module. Clones share the certificate.
#[derive(Clone, Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<ArcSwap<TlsInUse>>,
}

#[derive(Debug)]
struct TlsInUse {
    /// Of both files.
    digest: [u8; 32],
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads both files, in PEM: the certificate with its chain, and its private key.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = Arc::new(ArcSwap::from_pointee(read(certificate, key)?));
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), current })
    }

    /// Accepts connections with the current certificate.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// Reads the files again. Returns true if they have changed.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let read = read(&self.certificate, &self.key)?;
        let has_changed = read.digest != self.current.load().digest;
        if has_changed {
            self.current.store(Arc::new(read));
        }
        Ok(has_changed)
    }

    /// Reloads the certificate when its files have changed, and on SIGHUP, until the shutdown. Call
    /// within a runtime.
    pub fn watch(self, shutdown: Shutdown) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
        let mut hangup = signal(SignalKind::hangup())?;
        Ok(async move {
            let mut failed = String::new();
            loop {
                tokio::select! {
                    _ = hangup.recv() => {}
                    () = tokio::time::sleep(FILES_EVERY) => {}
                    () = shutdown.wait() => return,
                }
                let tls = self.clone();
                let reloaded = tokio::task::spawn_blocking(move || tls.reload());
                let why = match reloaded.await {
                    Ok(Ok(true)) => {
                        tracing::info!("the certificate is replaced");
                        String::new()
                    }
                    Ok(Ok(false)) => String::new(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                // Once for each reason, not every few seconds.
                if !why.is_empty() && why != failed {
                    tracing::error!(why, "the certificate cannot be replaced; the one before stays in use");
                }
                failed = why;
            }
        })
    }
}

fn read(certificate: &Path, key: &Path) -> Result<TlsInUse, TlsError> {
    let file = |path: &Path| std::fs::read(path).map_err(|error| TlsError::File { path: path.to_owned(), error });
    let not_pem = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Pem { path: path.clone(), error }
    };
    let (certificate_bytes, key_bytes) = (file(certificate)?, file(key)?);
    let digest = Sha256::new().chain_update(&certificate_bytes).chain_update(&key_bytes).finalize().into();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate_bytes).collect();
    let chain = chain.map_err(not_pem(certificate))?;
    let private = PrivateKeyDer::from_pem_slice(&key_bytes).map_err(not_pem(key))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, private)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(TlsInUse { digest, config: Arc::new(config) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Writes a certificate and its key into the folder.
    fn write(folder: &Path) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    }

    #[test]
    fn a_certificate_is_replaced_by_a_sound_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write(folder.path());
        let tls = Tls::load(&certificate, &key).unwrap();
        let digest = || tls.current.load().digest;
        let first = digest();
        assert!(!tls.reload().unwrap());
        let sound = fs::read(&key).unwrap();
        fs::write(&key, "no key").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::Pem { path, .. }) if path == key));
        // Another certificate's key.
        fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::Unusable(_))));
        fs::remove_file(&key).unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::File { .. })));
        assert_eq!(digest(), first);
        fs::write(&key, sound).unwrap();
        assert!(!tls.reload().unwrap());
        write(folder.path());
        assert!(tls.reload().unwrap());
        assert_ne!(digest(), first);
    }
}
