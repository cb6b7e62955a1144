//! The admin ports of all programs under attack: each way to hold a connection ends within its
//! limit, and probes are answered beside all of them.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use common::raw::{PREFACE, connect_from, ended, narrow_from};
use common::{PATIENCE, Platform, eventually};
use futures_util::future::{join_all, join3};
use service::admin::{CONNECTIONS, LIMITS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: lfg.example\r\n\r\n";

/// What a busy machine may take besides.
const SLACK: Duration = Duration::from_secs(10);

/// Ways to hold a connection.
#[derive(Clone, Copy, Debug)]
enum Attack {
    Silence,
    OneByte,
    HalfPreface,
    PrefaceAlone,
    /// A byte of the head at a time.
    SlowHead,
    /// Requests whose answers are not read.
    UnreadAnswers,
    /// An answer over HTTP/2 for which the window is never opened.
    UnreadStream,
}

impl Attack {
    const ALL: [Self; 7] = [
        Self::Silence,
        Self::OneByte,
        Self::HalfPreface,
        Self::PrefaceAlone,
        Self::SlowHead,
        Self::UnreadAnswers,
        Self::UnreadStream,
    ];

    fn limit(self) -> Duration {
        match self {
            Self::UnreadAnswers | Self::UnreadStream => LIMITS.write_within,
            _ => LIMITS.first_within,
        }
    }

    /// Runs until the port ends it.
    async fn run(self, address: &str) {
        match self {
            Self::Silence => begin(address, b"").await,
            Self::OneByte => begin(address, b"G").await,
            Self::HalfPreface => begin(address, &PREFACE[..12]).await,
            Self::PrefaceAlone => begin(address, PREFACE).await,
            Self::SlowHead => slow_head(address).await,
            Self::UnreadAnswers => {
                let mut stream = narrow_from(2, address).await;
                while stream.write_all(&GET.repeat(20)).await.is_ok() {}
            }
            Self::UnreadStream => unread_stream(address).await,
        }
    }
}

async fn begin(address: &str, bytes: &[u8]) {
    let mut stream = connect_from(2, address).await;
    stream.write_all(bytes).await.unwrap();
    ended(&mut stream).await;
}

async fn slow_head(address: &str) {
    let (mut reads, mut writes) = connect_from(2, address).await.into_split();
    let head = b"GET /metrics HTTP/1.1\r\nHost: lfg.example\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
    let drip = async {
        for byte in head {
            if writes.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(LIMITS.first_within / 20).await;
        }
    };
    let mut told = Vec::new();
    tokio::select! {
        () = drip => {}
        // However it ends.
        _ended = reads.read_to_end(&mut told) => {}
    }
    assert!(told.is_empty(), "{}", String::from_utf8_lossy(&told));
}

async fn unread_stream(address: &str) {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let connected = builder.handshake::<_, Bytes>(connect_from(2, address).await).await;
    let (mut requests, connection) = connected.unwrap();
    let running = tokio::spawn(connection);
    let request = Request::get(format!("http://{address}/metrics")).body(()).unwrap();
    let mut answer = requests.send_request(request, true).unwrap().0.await.unwrap();
    let error = answer.body_mut().data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{error}");
    running.abort();
}

async fn probe(program: &str, address: &str) {
    for path in ["readyz", "livez", "metrics"] {
        let asked = timeout(PATIENCE, reqwest::get(format!("http://{address}/{path}"))).await.expect("in time");
        let answer = asked.unwrap_or_else(|error| panic!("{program} /{path}: {error}"));
        assert!(answer.status().is_success(), "{program} /{path}: {}", answer.status());
    }
}

async fn holds(program: &str, address: &str) {
    let attacked = Attack::ALL.map(|attack| async move {
        let start = Instant::now();
        let ends = timeout(attack.limit() + SLACK, attack.run(address)).await;
        assert!(ends.is_ok(), "{program}: {attack:?} goes on after {:?}", start.elapsed());
    });
    let probed = async {
        loop {
            probe(program, address).await;
        }
    };
    tokio::select! {
        _ended = join_all(attacked) => {}
        () = probed => {}
    }
    let mut streams: Vec<TcpStream> = Vec::new();
    for _ in 0..3 * CONNECTIONS {
        streams.push(connect_from(2, address).await);
    }
    // Before their time is over: the ones that are idle longest make room.
    probe(program, address).await;
    let is_closed = |stream: &&TcpStream| matches!(stream.try_read(&mut [0]), Ok(0));
    eventually(&format!("{program} closes what is too much"), async || {
        (streams.iter().filter(is_closed).count() >= 2 * CONNECTIONS).then_some(())
    })
    .await;
    for stream in &mut streams {
        ended(stream).await;
    }
}

#[tokio::test]
async fn the_admin_ports_of_all_programs_end_whatever_holds_them_and_answer_probes() {
    let whole = Platform::whole("admin-ports").await;
    let [one, two, three] = whole.admin_ports();
    join3(holds(one.0, &one.1), holds(two.0, &two.1), holds(three.0, &three.1)).await;
    whole.remove().await;
}
