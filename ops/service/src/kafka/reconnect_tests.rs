//! A client whose broker answers once with metadata without any broker.
//!
//! A real broker does so for some milliseconds after it was unreachable, and not each time. A broker
//! that speaks as much of the protocol as a client needs to connect does it when the test wants.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::super::{ConsumerProfile, consumer_config, requests::Requests};
use super::*;
use crate::config::KafkaArgs;

const PATIENCE: Duration = Duration::from_secs(30);

const ROUNDS: usize = 20;

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const LEADER_NOT_AVAILABLE: i16 = 5;
const UNSUPPORTED_VERSION: i16 = 35;

/// A broker that answers requests for versions and metadata, in version 0 of each.
struct FakeBroker {
    port: u16,
    knows_itself: Arc<AtomicBool>,
}

impl FakeBroker {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, knows_itself) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(true)));
        let knows = Arc::clone(&knows_itself);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (socket, knows) = (socket.unwrap(), Arc::clone(&knows));
                std::thread::spawn(move || serve(socket, port, &knows));
            }
        });
        Self { port, knows_itself }
    }
}

fn serve(mut socket: TcpStream, port: u16, knows_itself: &AtomicBool) {
    while let Some(request) = read(&mut socket) {
        let [key, version] = [0, 2].map(|at| i16::from_be_bytes([request[at], request[at + 1]]));
        let mut answer = request[4..8].to_vec();
        match (key, version) {
            (API_VERSIONS, version) => {
                let error = if version == 0 { 0 } else { UNSUPPORTED_VERSION };
                answer.extend(error.to_be_bytes());
                answer.extend(2_i32.to_be_bytes());
                for key in [METADATA, API_VERSIONS] {
                    answer.extend([key, 0, 0].map(i16::to_be_bytes).as_flattened());
                }
            }
            (METADATA, 0) => answer.extend(metadata(port, knows_itself.load(Ordering::Acquire))),
            // The client gives up this connection.
            _ => return,
        }
        let length = i32::try_from(answer.len()).unwrap().to_be_bytes();
        if socket.write_all(&[&length[..], &answer].concat()).is_err() {
            return;
        }
    }
}

/// Reads one request; `None` at the end of the connection.
fn read(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    let closed = |error: std::io::Error| {
        assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
    };
    socket.read_exact(&mut length).map_err(closed).ok()?;
    let mut request = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    socket.read_exact(&mut request).map_err(closed).ok()?;
    Some(request)
}

/// One broker or none, and a topic with a partition that has no leader.
fn metadata(port: u16, with_broker: bool) -> Vec<u8> {
    let text = |text: &str| [&i16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let mut answer = i32::from(with_broker).to_be_bytes().to_vec();
    if with_broker {
        answer.extend(1_i32.to_be_bytes());
        answer.extend(text("127.0.0.1"));
        answer.extend(i32::from(port).to_be_bytes());
    }
    answer.extend(1_i32.to_be_bytes());
    answer.extend(0_i16.to_be_bytes());
    answer.extend(text("a-topic"));
    answer.extend(1_i32.to_be_bytes());
    answer.extend(LEADER_NOT_AVAILABLE.to_be_bytes());
    // Partition 0, no leader, no replicas, none in sync.
    answer.extend([0_i32, -1, 0, 0].map(i32::to_be_bytes).as_flattened());
    answer
}

#[test]
fn a_client_that_lost_all_brokers_connects_again() {
    let broker = FakeBroker::start();
    let kafka = KafkaArgs { brokers: format!("127.0.0.1:{}", broker.port), properties: Vec::new() };
    let mut config = consumer_config(&kafka, "a-group", ConsumerProfile::Live);
    let requests = Requests::of("a test", &mut config);
    config.set("statistics.interval.ms", "20");
    let client: BaseConsumer<Requests> = config.create_with_context(requests).unwrap();
    let brokers = || {
        assert!(client.poll(Duration::from_millis(10)).is_none_or(|polled| polled.is_err()));
        reconnect(client.client());
        client.fetch_metadata(None, Duration::from_millis(200)).map(|metadata| metadata.brokers().len())
    };
    let eventually = |what: &str, wanted: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !wanted() {
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        }
    };
    // Whether the client forgets its bootstrap servers for good depends on which of its threads is
    // first.
    for _ in 0..ROUNDS {
        eventually("it finds its broker", &|| brokers() == Ok(1));
        broker.knows_itself.store(false, Ordering::Release);
        eventually("it learns that there is none", &|| brokers() == Ok(0));
        broker.knows_itself.store(true, Ordering::Release);
    }
    eventually("it finds its broker again", &|| brokers() == Ok(1));
}
