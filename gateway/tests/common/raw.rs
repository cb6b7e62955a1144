//! Connections for arbitrary bytes, as a client that breaks the protocol sends them.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::PATIENCE;

/// The preface of HTTP/2.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Connects from this loopback address; each address counts as another client.
pub async fn connect_from(last: u8, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
    tokio::time::timeout(PATIENCE, socket.connect(address.parse().unwrap())).await.expect("in time").expect("connected")
}

/// The same, with small buffers.
pub async fn narrow_from(last: u8, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
    socket.connect(address.parse().unwrap()).await.expect("connected")
}

/// Waits until the other end has closed, and returns the bytes before that.
pub async fn ended(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the connection is ended");
    match read {
        Ok(_) => {}
        // The other end closed with unread bytes, or without a word of TLS.
        Err(error) => {
            assert!([ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof].contains(&error.kind()), "{error}")
        }
    }
    all
}

/// Reads one HTTP/1.1 answer: its head, in lower case, and its body.
pub async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time");
        head.push(byte.unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&head))));
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut body)).await.expect("a body in time").expect("a body");
    (head, body)
}

/// The value of a header in a head of lower case.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Sends bytes, and reads one answer.
pub async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    stream.write_all(bytes.as_ref()).await.expect("a write");
    answer(stream).await
}
