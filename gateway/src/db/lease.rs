//! A connection while somebody reads over it.
//!
//! A query whose reader is gone (its client hung up, or its time was over) is of use to nobody, and would keep its connection from others
//! until it ends. Postgres is told to end it, and the connection goes back to the pool once it has.
//!
//! | the query                 | the connection                          |
//! |---------------------------|-----------------------------------------|
//! | ended, well or not        | goes back                               |
//! | given up, ended when told | goes back then                          |
//! | given up, goes on         | is closed; Postgres ends it by its time |

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::runtime::Handle;
use tokio_postgres::NoTls;

/// How long Postgres may take to end what nobody waits for.
const END_WITHIN: Duration = Duration::from_secs(2);

/// See the module.
pub struct Lease(Option<Object>);

impl Lease {
    /// Begins.
    pub fn of(connection: Object) -> Self {
        Self(Some(connection))
    }

    /// The connection.
    pub fn connection(&self) -> &Object {
        self.0.as_ref().expect("it is there until the end")
    }

    /// Nothing is under way any more: the connection goes back.
    pub fn end(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(give_back(connection))),
            Err(_) => drop(Object::take(connection)),
        }
    }
}

async fn give_back(connection: Object) {
    metrics::counter!("gateway_queries_abandoned_total").increment(1);
    let ended = async {
        connection.cancel_token().cancel_query(NoTls).await?;
        // Behind the query on its connection. The word may come late and end this one, which says as well that the other is over.
        match connection.simple_query("").await {
            Err(error) if error.is_closed() => Err(error),
            _ => Ok(()),
        }
    };
    if !matches!(tokio::time::timeout(END_WITHIN, ended).await, Ok(Ok(()))) {
        drop(Object::take(connection));
    }
}
