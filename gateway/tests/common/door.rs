//! A server's address that refuses connections for a while.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::eventually;

/// An address that refuses connections until it is opened.
pub struct Door {
    pub address: String,
    server: String,
}

impl Door {
    /// Creates a closed address in front of the server at `server` (`host:port`).
    pub async fn closed(server: &str) -> Self {
        // Bound only to reserve its port.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        Self { address, server: server.to_owned() }
    }

    pub async fn open(self) {
        let Self { address, server } = self;
        let listener = eventually("the port is free", async || TcpListener::bind(&address).await.ok()).await;
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
    }
}

/// `host:port` of a URL.
pub fn place(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    authority.rsplit('@').next().unwrap().to_owned()
}
