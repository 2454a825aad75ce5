//! As much of HTTP/1.1 as the measure needs: requests over a kept connection, and a stream of events.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;

/// Who asks, on an agent in development mode.
const CALLER: &str = "slipstream-authn-info: internal ADMIN";

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address: address.to_owned(), read: Vec::with_capacity(4096) })
    }

    /// Sends a POST; the status and the body of the answer.
    pub(crate) async fn post(&mut self, path: &str, kind: &str, body: &[u8]) -> Outcome<(u16, &[u8])> {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{CALLER}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        self.read.clear();
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.read[..head])?.to_ascii_lowercase();
        let status = text.get(9..12).ok_or("a short answer")?.parse()?;
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let end = match length {
            Some(length) => {
                let end = head + length.trim().parse::<usize>()?;
                while self.read.len() < end {
                    self.more().await?;
                }
                end
            }
            // In chunks; what stands between them does not matter to who counts lines.
            None => loop {
                if self.read.ends_with(b"0\r\n\r\n") {
                    break self.read.len();
                }
                self.more().await?;
            },
        };
        Ok((status, &self.read[head..end]))
    }

    async fn more(&mut self) -> Outcome<()> {
        if self.stream.read_buf(&mut self.read).await? == 0 {
            return Err("the agent has closed a connection".into());
        }
        Ok(())
    }
}

/// A stream of events.
pub(crate) struct Events {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Events {
    /// Opens `path`, and waits until the stream has begun.
    pub(crate) async fn open(address: &str, path: &str) -> Outcome<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{CALLER}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut events = Self { stream, read: Vec::new() };
        while !events.next_line().await?.starts_with("event: ready") {}
        Ok(events)
    }

    /// The next line.
    pub(crate) async fn next_line(&mut self) -> Outcome<String> {
        loop {
            if let Some(end) = find(&self.read, b"\n") {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(String::from_utf8(line)?);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the agent has closed the event stream".into());
            }
        }
    }
}

/// Where `wanted` begins.
pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
