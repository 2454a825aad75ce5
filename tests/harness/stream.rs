//! A client of the event stream over plain HTTP, as a browser's `EventSource` reads it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// One event of the stream, or an id that came alone.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// The last id so far.
    pub id: String,
    /// Its name: `created`, `ready`; empty for an id alone.
    pub name: String,
    /// What it says.
    pub data: Value,
}

impl Event {
    /// The name and the id of the resource: `("created", "service/…")`.
    #[must_use]
    pub fn what(&self) -> (&str, &str) {
        (&self.name, self.data["id"].as_str().unwrap_or_default())
    }
}

/// An open stream.
pub struct EventStream {
    reader: BufReader<TcpStream>,
    /// Bytes of the body that are not read as lines yet.
    body: Vec<u8>,
    /// The head of the answer.
    pub head: String,
    /// Comments so far.
    pub comments: usize,
    last: String,
}

impl EventStream {
    /// Asks for a stream at `host:port`: `path` is `/events` with a query, `headers` are whole lines.
    ///
    /// # Errors
    /// The connection's.
    pub fn open(address: &str, path: &str, headers: &[&str]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Self { reader, body: Vec::new(), head, comments: 0, last: String::new() })
    }

    /// The next event, or id that comes alone; none at the end of the stream.
    ///
    /// # Errors
    /// The connection's, also if nothing comes for 30 seconds.
    ///
    /// # Panics
    /// If the stream is none.
    pub fn read(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        let mut has_fields = false;
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            match line.split_once(": ") {
                None if line.is_empty() && has_fields => {
                    event.id.clone_from(&self.last);
                    return Ok(Some(event));
                }
                None if line.is_empty() => {}
                Some(("", _)) => self.comments += 1,
                Some(("retry", "2000")) => {}
                Some((field, value)) => {
                    has_fields = true;
                    match field {
                        "id" => value.clone_into(&mut self.last),
                        "event" => value.clone_into(&mut event.name),
                        "data" => event.data = serde_json::from_str(value).expect("the data are JSON"),
                        _ => panic!("unexpected line `{line}`"),
                    }
                }
                None => panic!("unexpected line `{line}`"),
            }
        }
    }

    /// The next event that is not an id alone.
    ///
    /// # Panics
    /// If the stream ends or breaks before it.
    #[must_use]
    #[track_caller]
    pub fn event(&mut self) -> Event {
        loop {
            let event = self.read().expect("an event comes in time").expect("the stream goes on");
            if !event.name.is_empty() {
                return event;
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.body.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.body.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            let mut size = String::new();
            if self.reader.read_line(&mut size)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk)?;
            if size == 0 {
                return Ok(None);
            }
            self.body.extend_from_slice(&chunk[..size]);
        }
    }
}
