//! A connection of the pool while a query uses it.
//!
//! A query whose client hung up, or whose time is over, would keep its connection from others until
//! it ends. The lease asks Postgres to cancel it, and returns the connection to the pool once the
//! query has ended and no cancellation is on its way any more. The client's turn ends with that.
//!
//! | the query                       | the connection                                       |
//! |---------------------------------|------------------------------------------------------|
//! | ended, with rows or an error    | goes back to the pool                                |
//! | abandoned, and cancelled in time | goes back to the pool then                           |
//! | abandoned, and goes on          | is closed; Postgres ends it by its statement timeout |

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};

use super::turns::ReadTurn;

/// How long Postgres may take to cancel an abandoned query.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Where Postgres takes requests to cancel a query.
#[derive(Clone, Debug)]
pub enum Canceller {
    /// Over TCP: host and port.
    Tcp(String, u16),
    /// Over a socket in the file system.
    Unix(PathBuf),
    /// There are several servers: which of them a connection is to is not known.
    Unknown,
}

impl Canceller {
    /// Returns the one server of a configuration.
    pub fn of(config: &Config) -> Self {
        let port = config.get_ports().first().copied().unwrap_or(5432);
        match config.get_hosts() {
            [Host::Tcp(host)] => Self::Tcp(host.clone(), port),
            [Host::Unix(folder)] => Self::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            _ => Self::Unknown,
        }
    }

    async fn connect(&self) -> io::Result<Option<Box<dyn Socket>>> {
        Ok(match self {
            Self::Tcp(host, port) => Some(Box::new(TcpStream::connect((host.as_str(), *port)).await?)),
            Self::Unix(path) => Some(Box::new(UnixStream::connect(path).await?)),
            Self::Unknown => None,
        })
    }
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A connection that a query uses.
pub struct Lease {
    connection: Option<(Object, ReadTurn)>,
    canceller: Canceller,
}

impl Lease {
    /// Starts with a connection of the pool, and the turn that it was taken with.
    pub fn of(connection: Object, turn: ReadTurn, canceller: Canceller) -> Self {
        Self { connection: Some((connection, turn)), canceller }
    }

    /// Returns the connection.
    pub fn connection(&self) -> &Object {
        &self.connection.as_ref().expect("it is there until the end").0
    }

    /// Returns the connection to the pool: no query is in progress.
    pub fn end(mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((connection, turn)) = self.connection.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(give_back(connection, turn, self.canceller.clone()))),
            Err(_) => drop(Object::take(connection)),
        }
    }
}

async fn give_back(connection: Object, turn: ReadTurn, canceller: Canceller) {
    metrics::counter!("gateway_queries_abandoned_total").increment(1);
    let ended = tokio::time::timeout(END_WITHIN, cancel(&connection, &canceller)).await;
    match ended {
        Ok(Ok(true)) => drop(connection),
        _ => drop(Object::take(connection)),
    }
    drop(turn);
}

/// Cancels the query of a connection. Returns true if the connection can be used again.
async fn cancel(connection: &Object, canceller: &Canceller) -> io::Result<bool> {
    let token = connection.cancel_token();
    let Some(mut socket) = canceller.connect().await? else {
        token.cancel_query(NoTls).await.map_err(io::Error::other)?;
        return Ok(false);
    };
    token.cancel_query_raw(&mut socket, NoTls).await.map_err(io::Error::other)?;
    // Postgres closes the socket once it has sent the signal. A signal that is still to come would
    // cancel the next reader's query.
    while socket.read(&mut [0; 64]).await? > 0 {}
    // Comes after the query on its connection. The signal may cancel this one instead, which shows
    // as well that the query has ended.
    match connection.simple_query("").await {
        Err(error) if error.is_closed() => Ok(false),
        _ => Ok(true),
    }
}
