//! A network of a test's own: hosts at a switch, whose cables can be pulled and whose packets can be lost, each way by itself.
//!
//! It exists in network namespaces alone, each held by a process that ends when this one does: nothing is left behind,
//! however a test ends, and nothing of the machine's own network is touched. The wall clock of its programs can be turned.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use crate::skip::skip;

/// A hardware address that no host has: what is sent there is lost without a word.
const NOWHERE: &str = "02:00:00:00:00:01";

/// Hosts by name, and the switch between them.
pub struct Net {
    switch: Namespace,
    hosts: BTreeMap<String, Host>,
    /// From whom to whom nothing arrives.
    lost: BTreeSet<(String, String)>,
}

struct Host {
    namespace: Namespace,
    number: usize,
}

impl Net {
    /// A host for each name; none, and a word about it, where this process may make no network.
    ///
    /// # Panics
    /// If the network can be made and not be set up.
    #[must_use]
    pub fn new(names: &[&str]) -> Option<Self> {
        let made =
            Namespace::new().filter(|switch| switch.ip(&["link add name bridge0 type bridge".to_owned()]).is_ok());
        let Some(switch) = made else {
            skip("networks of their own need root, and `unshare`, `nsenter`, `ip` and `tc`");
            return None;
        };
        // Otherwise groups are served only where somebody has been heard to ask for them.
        switch.must(&["link set bridge0 up type bridge mcast_snooping 0"]);
        let mut net = Self { switch, hosts: BTreeMap::new(), lost: BTreeSet::new() };
        for (place, name) in names.iter().enumerate() {
            net.add(name, place + 1);
        }
        Some(net)
    }

    fn add(&mut self, name: &str, number: usize) {
        let namespace = Namespace::new().expect("one more network namespace");
        let (port, holder, address) = (port(number), namespace.0.id(), address(number));
        self.switch.must(&[
            &format!("link add {port} type veth peer name eth0 netns {holder}"),
            &format!("link set {port} master bridge0 up"),
        ]);
        namespace.must(&[
            "link set lo up",
            &format!("addr add {address}/24 dev eth0"),
            "link set eth0 up",
            "route add 224.0.0.0/4 dev eth0",
        ]);
        self.hosts.insert(name.to_owned(), Host { namespace, number });
    }

    /// The IPv4 address of a host.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        address(self.host(name).number)
    }

    /// Words before a program that shall run on the host.
    #[must_use]
    pub fn entry(&self, name: &str) -> Vec<String> {
        self.host(name).namespace.entry()
    }

    /// Pulls the cable of a host.
    pub fn unplug(&self, name: &str) {
        self.switch.must(&[&format!("link set {} down", port(self.host(name).number))]);
    }

    /// Puts the cable back.
    pub fn plug(&self, name: &str) {
        self.switch.must(&[&format!("link set {} up", port(self.host(name).number))]);
    }

    /// Loses what one host sends to another from now on. What the other sends still arrives.
    pub fn lose(&mut self, from: &str, to: &str) {
        let neighbour = format!("neigh replace {} lladdr {NOWHERE} nud permanent dev eth0", self.address(to));
        self.host(from).namespace.must(&[&neighbour]);
        self.lost.insert((from.to_owned(), to.to_owned()));
    }

    /// Loses what is sent between these hosts and all others, both ways.
    pub fn part(&mut self, these: &[&str]) {
        let others: Vec<String> = self.hosts.keys().filter(|name| !these.contains(&name.as_str())).cloned().collect();
        for (one, other) in these.iter().flat_map(|one| others.iter().map(move |other| (*one, other))) {
            self.lose(one, other);
            self.lose(other, one);
        }
    }

    /// Lets a host send no more than so many megabits in a second.
    pub fn slow(&self, name: &str, megabits: u32) {
        let (entry, rate) = (self.entry(name), format!("{megabits}mbit"));
        let mut tc = Command::new(&entry[0]);
        tc.args(&entry[1..]).args(["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", &rate]);
        tc.args(["burst", "32kb", "latency", "50ms"]);
        assert!(tc.status().is_ok_and(|status| status.success()), "the rate of {name} is limited");
    }

    /// Lets everything that was lost arrive again.
    pub fn heal(&mut self) {
        for (from, to) in std::mem::take(&mut self.lost) {
            self.host(&from).namespace.must(&[&format!("neigh del {} dev eth0", self.address(&to))]);
        }
    }

    fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).unwrap_or_else(|| panic!("there is no host {name}"))
    }
}

fn address(number: usize) -> String {
    format!("10.46.0.{number}")
}

fn port(number: usize) -> String {
    format!("port{number}")
}

/// A network namespace, and the process that keeps it: it ends with its standard input, which only this process holds.
struct Namespace(Child);

impl Namespace {
    fn new() -> Option<Self> {
        let mut holder = Command::new("unshare");
        holder.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut namespace = Self(holder.spawn().ok()?);
        // It answers when it is where it shall be.
        let mut answer = String::new();
        namespace.0.stdin.as_mut()?.write_all(b"there\n").ok()?;
        BufReader::new(namespace.0.stdout.take()?).read_line(&mut answer).ok()?;
        (answer == "there\n").then_some(namespace)
    }

    fn entry(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.0.id()), "--".to_owned()]
    }

    fn must(&self, lines: &[&str]) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        self.ip(&lines).unwrap_or_else(|error| panic!("ip {lines:?}: {error}"));
    }

    /// Runs `ip` there with these lines, one after the other.
    fn ip(&self, lines: &[String]) -> Result<(), String> {
        let entry = self.entry();
        let mut ip = Command::new(&entry[0]);
        ip.args(&entry[1..]).args(["ip", "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut ip = ip.spawn().map_err(|error| error.to_string())?;
        let said = ip.stdin.take().expect("it is piped").write_all((lines.join("\n") + "\n").as_bytes());
        let output = said.and_then(|()| ip.wait_with_output()).map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
