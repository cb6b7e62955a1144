//! The attacks. Each is cheap for one client, and each ends after its time.

mod attacker;
mod http;
mod http2;
mod sockets;

use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::task::JoinSet;

use attacker::Attacker;
pub use attacker::Target;

use crate::error::Error;

/// An attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Attack {
    /// Connections that send nothing.
    SilentConnections,
    /// Connections that begin HTTP/2 and then stop.
    HalfPrefaces,
    /// Requests whose body arrives one byte at a time.
    SlowBodies,
    /// HTTP/2 connections full of requests whose body does not end.
    UnfinishedStreams,
    /// Reads that wait for a log position that is never reached.
    FarPositions,
    /// HTTP/1 answers that the client never reads.
    UnreadAnswers,
    /// HTTP/2 answers without a window to send them in.
    ZeroWindows,
    /// WebSockets that subscribe repeatedly to a deep book.
    DeepSubscriptions,
    /// Sockets, as many as are taken.
    ManySockets,
    /// Sockets that subscribe to a deep book and do not read.
    UnreadSnapshots,
    /// Reads of the best prices of a deep book.
    DeepReads,
    /// A WebSocket that subscribes repeatedly to its many orders.
    OrderSubscriptions,
    /// Lists of markets by state.
    MarketLists,
    /// Lists of refused orders.
    RefusedOrders,
    /// Reads whose client closes the connection before the answer.
    HangUps,
    /// Sockets that watch a book that the attacker changes some hundred times a second.
    CrowdedBook,
}

impl Attack {
    /// Returns the name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// `loadtest attack`: used by `hostile` only.
#[derive(Clone, Debug, Args)]
pub struct AttackArgs {
    /// The attack.
    attack: Attack,
    #[command(flatten)]
    target: Target,
    /// Duration in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
}

/// Pause after a refused or cut connection before the next.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Attacks for the given time. A refusal or a cut connection is not an error.
pub async fn run(args: &AttackArgs) -> Result<bool, Error> {
    let authority = args.target.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let attacker = Attacker { authority, target: args.target.clone() };
    let mut clients = JoinSet::new();
    for number in 0..clients_of(args.attack) {
        let (attacker, attack) = (attacker.clone(), args.attack);
        clients.spawn(async move {
            loop {
                // The connection was refused, was cut or has ended: connect again.
                let _ended = once(attack, &attacker, number).await;
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(args.seconds.into())).await;
    clients.shutdown().await;
    Ok(true)
}

fn clients_of(attack: Attack) -> usize {
    match attack {
        Attack::SilentConnections | Attack::HalfPrefaces => 2_000,
        Attack::SlowBodies | Attack::FarPositions => 600,
        Attack::UnfinishedStreams => 18,
        Attack::UnreadAnswers | Attack::ZeroWindows => 60,
        Attack::DeepSubscriptions => 8,
        Attack::ManySockets => 700,
        Attack::UnreadSnapshots => 40,
        Attack::CrowdedBook => 1_000,
        Attack::DeepReads | Attack::RefusedOrders | Attack::MarketLists => 20,
        Attack::OrderSubscriptions => 1,
        Attack::HangUps => 40,
    }
}

/// Runs one client of the attack on one connection.
async fn once(attack: Attack, attacker: &Attacker, number: usize) -> std::io::Result<()> {
    let Target { deep, .. } = &attacker.target;
    match attack {
        Attack::SilentConnections => http::hold(attacker, b"").await,
        Attack::HalfPrefaces => http::hold(attacker, b"PRI * HTTP/2.0\r\n\r\nSM").await,
        Attack::SlowBodies => http::drip(attacker).await,
        Attack::UnfinishedStreams => http2::unfinished(attacker, 240).await,
        Attack::FarPositions => http::ask_on(attacker, "/v1/markets?min_position=0:9000000000000", false).await,
        Attack::UnreadAnswers => http::never_read(attacker, "/v1/markets?limit=200").await,
        Attack::ZeroWindows => http2::without_window(attacker, "/v1/markets?limit=200", 100).await,
        Attack::DeepSubscriptions => {
            sockets::subscribe_on(attacker, &format!(r#"{{"op":"subscribe","channel":"book","market":"{deep}"}}"#))
                .await
        }
        Attack::ManySockets => sockets::hold(attacker, deep).await,
        Attack::UnreadSnapshots => sockets::never_read(attacker, deep).await,
        Attack::CrowdedBook if number == 0 => http::post_on(attacker, "/v1/orders/batch", &sockets::orders(deep)).await,
        Attack::CrowdedBook => sockets::watch(attacker, deep).await,
        Attack::DeepReads => http::ask_on(attacker, &format!("/v1/markets/{deep}/book?depth=1"), false).await,
        Attack::OrderSubscriptions => sockets::subscribe_on(attacker, r#"{"op":"subscribe","channel":"orders"}"#).await,
        Attack::MarketLists => {
            let state = ["OPEN", "RESOLVED", "CREATED"][number % 3];
            http::ask_on(attacker, &format!("/v1/markets?state={state}&limit=200"), false).await
        }
        Attack::RefusedOrders => http::ask_on(attacker, "/v1/orders?status=REJECTED&limit=100", true).await,
        Attack::HangUps => http::hang_up(attacker, "/v1/orders?limit=100").await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attacks_are_named_as_on_the_command_line() {
        for attack in Attack::value_variants() {
            assert_eq!(Attack::from_str(&attack.name(), false), Ok(*attack));
        }
        assert_eq!(Attack::HalfPrefaces.name(), "half-prefaces");
        assert_eq!(Attack::value_variants().len(), 16);
    }
}
