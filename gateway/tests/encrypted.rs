//! The gateway's TLS port: both protocols, a certificate that is replaced while connections are
//! open, and clients that do not speak TLS.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::path::Path;
use std::sync::Arc;

use axum::http::Request;
use common::process::Process;
use common::raw::{ask, connect_from, ended, header};
use common::{Platform, eventually};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const GET: &str = "GET /v1/markets HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A certificate in files. Each is its own authority.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes another certificate with its key, and returns it.
    fn write(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let write = |name: &str, text: String| std::fs::write(Path::new(&self.path(name)), text).unwrap();
        write("certificate.pem", made.cert.pem());
        write("key.pem", made.signing_key.serialize_pem());
        made.cert.der().clone()
    }
}

/// A gateway with a TLS port, its certificate, and both addresses.
struct Encrypted {
    platform: Platform,
    gateway: Process,
    files: Files,
    certificate: CertificateDer<'static>,
    plain: String,
    tls: String,
}

async fn started(name: &str) -> Encrypted {
    let mut platform = Platform::create(name).await;
    let files = Files { folder: tempfile::tempdir().unwrap() };
    let certificate = files.write();
    platform.set("LFG_TLS_LISTEN", "127.0.0.1:0");
    platform.set("LFG_TLS_CERTIFICATE", &files.path("certificate.pem"));
    platform.set("LFG_TLS_KEY", &files.path("key.pem"));
    platform.set("LFG_FIRST_WITHIN", "1");
    let (gateway, api) = platform.gateway().await;
    let tls = gateway.logged("the gateway listens for TLS", "address");
    Encrypted { platform, gateway, files, certificate, plain: api.address, tls }
}

/// Connects as a client that trusts this certificate alone. `None` if the gateway has another.
async fn connect(
    address: &str,
    trusted: &CertificateDer<'static>,
    protocol: &'static str,
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connect_from(2, address).await;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    assert_eq!(connected.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    Some(connected)
}

#[tokio::test]
async fn both_protocols_are_spoken_and_a_certificate_is_replaced_while_connections_go_on() {
    let Encrypted { platform, gateway, files, certificate, plain, tls } = started("encrypted").await;
    let mut one = connect(&tls, &certificate, "http/1.1").await.expect("a trusted certificate");
    let (head, _) = ask(&mut one, GET).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(header(&head, "strict-transport-security"), Some("max-age=31536000"), "{head}");
    let two = connect(&tls, &certificate, "h2").await.expect("a trusted certificate");
    let (mut requests, connection) = h2::client::handshake(two).await.unwrap();
    let running = tokio::spawn(connection);
    let mut get = async || {
        requests = requests.clone().ready().await.unwrap();
        let request = Request::get("https://localhost/v1/markets").body(()).unwrap();
        requests.send_request(request, true).unwrap().0.await.unwrap().status().as_u16()
    };
    assert_eq!(get().await, 200);

    let other = files.write();
    gateway.signal("HUP");
    eventually("the certificate is replaced", async || connect(&tls, &other, "h2").await.map(|_| ())).await;
    assert!(connect(&tls, &certificate, "h2").await.is_none());
    assert_eq!(get().await, 200);
    assert!(ask(&mut one, GET).await.0.starts_with("http/1.1 200 "));

    // One that cannot be used replaces nothing.
    std::fs::write(files.path("key.pem"), "no key").unwrap();
    gateway.signal("HUP");
    eventually("the fault is logged", async || gateway.log().contains("cannot be replaced").then_some(())).await;
    connect(&tls, &other, "http/1.1").await.expect("the certificate before");
    running.abort();

    // Without TLS, all is as ever.
    let (head, _) = ask(&mut connect_from(2, &plain).await, GET).await;
    assert!(head.starts_with("http/1.1 200 ") && !head.contains("strict-transport-security"), "{head}");
    drop((gateway, one));
    platform.remove().await;
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_nothing_and_ended() {
    let Encrypted { platform, gateway, certificate, tls, .. } = started("not-encrypted").await;
    // The beginning of a ClientHello of 512 bytes.
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    for bytes in [&b""[..], &hello, &hello[..3], GET.as_bytes(), common::raw::PREFACE] {
        let mut stream = connect_from(2, &tls).await;
        stream.write_all(bytes).await.unwrap();
        let said = ended(&mut stream).await;
        // At most the alert of TLS.
        assert!(said.len() <= 7 && !said.starts_with(b"HTTP"), "{bytes:?}: {said:?}");
    }
    // And who agrees upon TLS, but asks nothing.
    let mut silent = connect(&tls, &certificate, "http/1.1").await.unwrap();
    ended(&mut silent).await;
    let mut client = connect(&tls, &certificate, "http/1.1").await.unwrap();
    let (head, body) = ask(&mut client, "no HTTP at all\r\n\r\n").await;
    assert!(head.starts_with("http/1.1 400 ") && String::from_utf8(body).unwrap().contains("malformed-http"), "{head}");
    drop(gateway);
    platform.remove().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_an_error_at_the_start() {
    let mut platform = Platform::create("no-certificate").await;
    platform.set("LFG_TLS_LISTEN", "127.0.0.1:0");
    let said = platform.fails_at_its_start().await;
    assert!(said.contains("--tls-certificate") && said.contains("--tls-key"), "{said}");
    platform.set("LFG_TLS_CERTIFICATE", "/nowhere/certificate.pem");
    platform.set("LFG_TLS_KEY", "/nowhere/key.pem");
    let said = platform.fails_at_its_start().await;
    assert!(said.contains("/nowhere/certificate.pem"), "{said}");
    platform.remove().await;
}
