//! A small client of plain HTTP for tests that send much: one kept-alive connection.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What came back, with the head.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The lines of the head below the first.
    pub headers: Vec<(String, String)>,
    /// The body; of an event stream nothing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection that sends one request after the other.
pub struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
    /// Whether it cannot be used again.
    over: bool,
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
        Ok(Self { address: address.to_owned(), stream: BufReader::new(stream), over: false })
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

    /// Sends a request with these headers and no others but `host` and the body's length, and reads the answer. A
    /// connection that the server has ended is opened anew.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Response> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str(&format!("\r\n{body}"));
        if self.over {
            *self = Self::open(&self.address)?;
        }
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.reply(method)
    }

    /// Reads the answer to a request of this method.
    fn reply(&mut self, method: &str) -> io::Result<Response> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let mut reply = Response { status, headers: vec![], body: vec![] };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            reply.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        self.over = reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let streams = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        if method == "HEAD" || matches!(status, 204 | 304) {
            return Ok(reply);
        }
        if streams {
            self.over = true;
        } else if reply.header("transfer-encoding").is_some() {
            while let length @ 1.. = usize::from_str_radix(&self.line()?, 16).unwrap_or(0) {
                self.more(&mut reply.body, length)?;
                self.line()?;
            }
            self.line()?;
        } else {
            let length = reply.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            self.more(&mut reply.body, length)?;
        }
        Ok(reply)
    }

    fn more(&mut self, body: &mut Vec<u8>, length: usize) -> io::Result<()> {
        let start = body.len();
        body.resize(start + length, 0);
        self.stream.read_exact(&mut body[start..])
    }

    /// One line without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}
