//! Something that webhooks can be sent to: a small HTTP server that answers as it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::agent::eventually;

/// One request that came in.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The request line and headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Delivery {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        values.next().unwrap_or_default().to_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// What a receiver does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with this status and these further header lines, each ending with a line break.
    Status(u16, String),
    /// Sends these bytes and closes.
    Raw(&'static [u8]),
    /// Says nothing, and keeps the connection.
    Hang,
}

/// A receiver on a port of the system's choice; it lives as long as the test's process.
pub struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Vec<Delivery>>>,
}

impl Receiver {
    /// Answers each request with what `reply` says of its number, counted from 0, and itself.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn start(reply: impl Fn(usize, &Delivery) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let came: Arc<Mutex<Vec<Delivery>>> = Arc::default();
        let (into, reply) = (Arc::clone(&came), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let (into, reply) = (Arc::clone(&into), Arc::clone(&reply));
                std::thread::spawn(move || serve(stream, &into, &*reply));
            }
        });
        Self { address, came }
    }

    /// A receiver that takes everything.
    #[must_use]
    pub fn willing() -> Self {
        Self::start(|_, _| Reply::Status(204, String::new()))
    }

    /// Where it is, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What came so far.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn came(&self) -> Vec<Delivery> {
        self.came.lock().expect("no panic holds it").clone()
    }

    /// What came, as soon as it is `count` requests.
    ///
    /// # Panics
    /// If they do not come.
    #[must_use]
    pub fn first(&self, count: usize) -> Vec<Delivery> {
        eventually(&format!("delivery number {count}"), || self.came().len() >= count);
        self.came()
    }
}

fn serve(stream: TcpStream, came: &Mutex<Vec<Delivery>>, reply: &dyn Fn(usize, &Delivery) -> Reply) {
    let mut stream = BufReader::new(stream);
    let Some(delivery) = read(&mut stream) else { return };
    let number = {
        let mut came = came.lock().expect("no panic holds it");
        came.push(delivery.clone());
        came.len() - 1
    };
    let answer = match reply(number, &delivery) {
        Reply::Status(status, more) => {
            format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n").into_bytes()
        }
        Reply::Raw(bytes) => bytes.to_vec(),
        Reply::Hang => {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0]);
            return;
        }
    };
    let _ = stream.get_mut().write_all(&answer);
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Delivery> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut delivery = Delivery { head, body: String::new() };
    let mut body = vec![0; delivery.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    delivery.body = String::from_utf8(body).ok()?;
    Some(delivery)
}
