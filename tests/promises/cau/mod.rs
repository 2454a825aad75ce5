//! The original's agent authentication, end to end: real agents, real sockets, openssl, and old clients written by hand.

mod cau_client;
mod doors;
mod identification;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mf2c_tests::{Agent, Ran, Start, eventually, mf2c, run};
use serde_json::Value;
use tempfile::TempDir;

/// An agent with the authority of an area, and both CAUs.
fn leader() -> Agent {
    let doors = [("MF2C_LEGACY_CAU", "127.0.0.1:0"), ("MF2C_LEGACY_LEADER_CAU", "127.0.0.1:0")];
    let start = doors.iter().fold(start(), |start, (name, value)| start.environment(name, value));
    let agent = start.agent();
    let _ = ask(&agent, &["ca", "init", "--area", "harbour"]).expect(0);
    agent
}

fn start() -> Start {
    Start::new().environment("MF2C_LINK_LISTEN", "127.0.0.1:0")
}

/// A command about this agent.
fn ask(agent: &Agent, arguments: &[&str]) -> Ran {
    mf2c(&[arguments, &["--data-dir", agent.data_dir().to_str().unwrap()]].concat())
}

/// A new token.
fn token(agent: &Agent, more: &[&str]) -> String {
    ask(agent, &[&["token", "create"], more].concat()).expect(0).out.trim().to_owned()
}

/// Lets a device be certified once, without a secret.
fn permit(agent: &Agent, device: &str) {
    let _ = ask(agent, &["token", "create", "--device", device, "--without-secret"]).expect(0);
}

/// Where a door listens.
fn door(agent: &Agent, key: &str) -> String {
    let mut found = None;
    eventually("the door", || {
        found = agent.log_lines().find(|line| line["door"] == key);
        found.is_some()
    });
    found.unwrap()["address"].as_str().unwrap().to_owned()
}

/// A folder with a key and a certificate request, as openssl makes them.
struct Device {
    folder: TempDir,
    id: String,
}

impl Device {
    fn new(id: &str) -> Self {
        Self::with(id, "rsa:2048", &[])
    }

    fn with(id: &str, key: &str, more: &[&str]) -> Self {
        let device = Self { folder: tempfile::tempdir().unwrap(), id: id.to_owned() };
        let subject = format!("/C=EU/O=mF2C/OU=Fog/CN={}", &id[..id.len().min(63)]);
        let fixed =
            ["req", "-new", "-newkey", key, "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", &subject];
        let _ = openssl(device.folder.path(), &[&fixed, more].concat()).expect(0);
        device
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// What an old client gets for this request.
    fn certify(&self, way: &str, address: &str, more: &[&str]) -> String {
        client(&[&[way, address, &self.path("csr.pem"), &self.id], more].concat())
    }

    /// Keeps an answer that must be a certificate for this key.
    fn keep(&self, answer: &str) {
        let at = answer.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("no certificate: {answer}"));
        fs::write(self.path("leaf.pem"), &answer[at..]).unwrap();
        let of = |line: &str| openssl(self.folder.path(), &line.split(' ').collect::<Vec<_>>()).expect(0).out;
        assert_eq!(of("x509 -in leaf.pem -noout -pubkey"), of("pkey -in key.pem -pubout"));
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder);
    run(command)
}

/// What an old client, written in Python, is told.
fn client(arguments: &[&str]) -> String {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/cau.py")).args(arguments);
    run(command).expect(0).out
}

/// Sends a line, or what is none, to a trigger, and reads to the end.
fn trigger(address: &str, line: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let _ = stream.shutdown(Shutdown::Both);
    said
}

/// The certificates that an agent has issued to a device, the newest first.
fn certificates(agent: &Agent, device: &str) -> Vec<Value> {
    let path = format!("certificate?$filter=device='{device}'");
    agent.send("GET", &path, None).expect(200).json()["certificates"].as_array().unwrap().clone()
}

/// The root of an agent's area, in a file.
fn root(agent: &Agent, folder: &Path) -> PathBuf {
    let shown: Value = serde_json::from_str(&ask(agent, &["ca", "show", "-o", "json"]).expect(0).out).unwrap();
    let path = folder.join("root.pem");
    fs::write(&path, shown["authority"]["rootsPem"].as_str().unwrap()).unwrap();
    path
}

/// An identifier as the original makes them.
fn identifier(digit: char) -> String {
    digit.to_string().repeat(128)
}
