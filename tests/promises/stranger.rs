//! Somebody with the certificate of a member who speaks the protocol of links by hand: openssl does the TLS, and each frame is
//! what a test wants it to be.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mf2c_fabric::wire::{Ask, Code, Decoder, Message, Notice, WireError, encode};
use mf2c_tests::wall_clock;
use serde_json::{Value, json};

const MAX_FRAME: u32 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// A link. It ends with this value.
pub(crate) struct Stranger {
    openssl: Child,
    into: ChildStdin,
    heard: Receiver<Message>,
    questions: u64,
}

impl Stranger {
    /// Calls `address` with the certificate in the data directory of an agent.
    pub(crate) fn call(address: &str, data_dir: &Path) -> Self {
        let member = data_dir.join("member");
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", address, "-alpn", "mf2c/1", "-tls1_3", "-quiet"]);
        openssl.arg("-cert").arg(member.join("agent.pem")).arg("-key").arg(member.join("agent.pem"));
        openssl.arg("-cert_chain").arg(member.join("trust.pem"));
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut openssl = openssl.spawn().expect("openssl is installed");
        let (into, mut from) = (openssl.stdin.take().unwrap(), openssl.stdout.take().unwrap());
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            let mut decoder = Decoder::new(MAX_FRAME);
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                decoder.feed(&piece[..count]);
                while let Ok(Some(message)) = decoder.next() {
                    let _ = tell.send(message);
                }
            }
        });
        Self { openssl, into, heard, questions: 0 }
    }

    /// Sends any value as a frame.
    pub(crate) fn say(&mut self, value: &Value) {
        let bytes = rmp_serde::to_vec_named(value).unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        self.write(&[&length[..], &bytes].concat());
    }

    pub(crate) fn tell(&mut self, notice: Notice) {
        self.write(&encode(&Message::Notice(notice), MAX_FRAME).unwrap());
    }

    fn write(&mut self, bytes: &[u8]) {
        // Where the other has hung up, that is what is heard next.
        let _ = self.into.write_all(bytes).and_then(|()| self.into.flush());
    }

    /// The next message; none at the end of the link.
    pub(crate) fn hear(&self) -> Option<Message> {
        self.heard.recv_timeout(PATIENCE).ok()
    }

    /// Waits for what `wanted` finds in a message.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut wanted: impl FnMut(&Message) -> Option<T>) -> T {
        loop {
            let message = self.hear().unwrap_or_else(|| panic!("the link ended, or nothing came, before {what}"));
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    /// Waits until the other closes the link, and tells why.
    #[track_caller]
    pub(crate) fn refused(&self) -> WireError {
        self.until("a reason to close", |message| match message {
            Message::Close(error) => Some(error.clone()),
            _ => None,
        })
    }

    /// Asks a question that is refused: with which code.
    #[track_caller]
    pub(crate) fn is_refused(&mut self, ask: Ask) -> Code {
        self.questions += 1;
        let id = self.questions;
        self.write(&encode(&Message::Request { id, deadline: 10_000, ask }, MAX_FRAME).unwrap());
        self.until("an answer", |message| match message {
            Message::Reply { re, result } if *re == id => Some(result.clone().expect_err("it is refused").code),
            _ => None,
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.openssl.kill();
        let _ = self.openssl.wait();
    }
}

/// What a member of this identity says first, in these versions of the protocol.
pub(crate) fn hello(id: &str, versions: &[u16]) -> Value {
    let area = id.split('/').nth(4).unwrap();
    let hello = json!({
        "v": versions, "node": id, "area": area, "role": "agent", "clock": wall_clock(),
        "max_frame": MAX_FRAME, "boot": 1
    });
    json!({ "hello": hello })
}
