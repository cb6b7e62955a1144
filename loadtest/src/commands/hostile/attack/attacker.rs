//! A client of an attack, and its target.

use clap::Args;
use tokio::net::{TcpSocket, TcpStream};

/// The source address of the attackers, which differs from the victim's.
const ADDRESS: &str = "127.0.0.66:0";

/// The target of an attack.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The gateway, `http://host:port`.
    #[arg(long)]
    pub url: String,
    /// The market with the deep book.
    #[arg(long)]
    pub deep: String,
    /// The attacker's own API key.
    #[arg(long, env = "LFG_ATTACKER_KEY", hide_env_values = true)]
    pub key: String,
}

/// One client of an attack, with its target.
#[derive(Clone)]
pub struct Attacker {
    /// Host and port of the gateway.
    pub authority: String,
    /// The target.
    pub target: Target,
}

impl Attacker {
    /// Opens a connection from the attackers' address.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        self.connect_with(None).await
    }

    /// The same, with a receive buffer of so many bytes.
    pub async fn connect_with(&self, buffer: Option<u32>) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        buffer.map(|bytes| socket.set_recv_buffer_size(bytes)).transpose()?;
        socket.bind(ADDRESS.parse().map_err(std::io::Error::other)?)?;
        let address = tokio::net::lookup_host(&self.authority).await?.find(std::net::SocketAddr::is_ipv4);
        let address = address.ok_or_else(|| std::io::Error::other("no IPv4 address"))?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
