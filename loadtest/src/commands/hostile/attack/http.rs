//! Misuses HTTP/1.1 by hand, on plain sockets.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::attacker::Attacker;

/// The maximum time that a connection is held, if the server does not cut it.
const HOLD: Duration = Duration::from_secs(3_600);

/// Number of requests that are written without reading an answer.
const UNREAD: usize = 500;

/// Sends some bytes and then nothing, until the server cuts the connection.
pub async fn hold(attacker: &Attacker, bytes: &[u8]) -> io::Result<()> {
    let mut stream = attacker.connect().await?;
    stream.write_all(bytes).await?;
    until_cut(&mut stream).await
}

async fn until_cut(stream: &mut tokio::net::TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1_024];
    let read = async {
        while stream.read(&mut buffer).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(HOLD, read).await.unwrap_or(Ok(()))
}

/// Sends a request whose body arrives one byte at a time.
pub async fn drip(attacker: &Attacker) -> io::Result<()> {
    let mut stream = attacker.connect().await?;
    let head =
        "POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20000\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for _ in 0..20_000 {
        stream.write_all(b" ").await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

fn get(attacker: &Attacker, path: &str, with_key: bool) -> String {
    let key = if with_key { format!("Authorization: Bearer {}\r\n", attacker.target.key) } else { String::new() };
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{key}\r\n")
}

fn post(attacker: &Attacker, path: &str, body: &str) -> String {
    let (key, length) = (&attacker.target.key, body.len());
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Sends the same request again as soon as it is answered.
pub async fn ask_on(attacker: &Attacker, path: &str, with_key: bool) -> io::Result<()> {
    send_on(attacker, &get(attacker, path, with_key), Duration::ZERO).await
}

/// Posts ten times a second, as far as it is answered.
pub async fn post_on(attacker: &Attacker, path: &str, body: &str) -> io::Result<()> {
    send_on(attacker, &post(attacker, path, body), Duration::from_millis(100)).await
}

async fn send_on(attacker: &Attacker, request: &str, pause: Duration) -> io::Result<()> {
    let mut stream = attacker.connect().await?;
    let mut buffer = vec![0; 256 * 1_024];
    loop {
        stream.write_all(request.as_bytes()).await?;
        let (mut received, mut expected) = (Vec::new(), None);
        while expected.is_none_or(|expected| received.len() < expected) {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            received.extend_from_slice(&buffer[..count]);
            expected = expected.or_else(|| length(&received));
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Returns the length of an answer, head and body, once its head has arrived.
fn length(received: &[u8]) -> Option<usize> {
    let head = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
    Some(head + 4 + body)
}

/// Sends many requests and reads no answer.
pub async fn never_read(attacker: &Attacker, path: &str) -> io::Result<()> {
    let (mut stream, request) = (attacker.connect().await?, get(attacker, path, false));
    for _ in 0..UNREAD {
        stream.write_all(request.as_bytes()).await?;
    }
    // Only a write shows that the connection was cut.
    let mut pause = tokio::time::interval(Duration::from_secs(1));
    loop {
        pause.tick().await;
        stream.write_all(b"\r\n").await?;
    }
}

/// Sends a request and closes the connection before the answer.
pub async fn hang_up(attacker: &Attacker, path: &str) -> io::Result<()> {
    for _ in 0..50 {
        let mut stream = attacker.connect().await?;
        stream.write_all(get(attacker, path, true).as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-"), None);
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), Some(43));
    }
}
