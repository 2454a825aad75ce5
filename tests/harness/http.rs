//! A small client of plain HTTP for tests that send much: one kept-alive connection.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A connection that sends one request after the other.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request as an administrator and reads the answer: the status and the body.
    ///
    /// # Errors
    /// The connection's, also if it ends before the whole answer.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
        self.begin(method, path, body.len(), body)?;
        self.answer()
    }

    /// Sends a request as an administrator whose body is `length` bytes long, up to and with the `first` of them.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn begin(&mut self, method: &str, path: &str, length: usize, first: &str) -> io::Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nslipstream-authn-info: internal ADMIN\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{first}"
        );
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Sends bytes as they are and reads one answer.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn raw(&mut self, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.stream.get_mut().write_all(request)?;
        self.answer()
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let mut status = 0;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if status == 0 {
                status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}
