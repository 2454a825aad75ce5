//! The network of links to other agents, on a thread of its own that starts when it is first needed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use mf2c_actors::ports::{
    AreaNet, AuthorityTransport, EnrolAsk, Introduction, LinkAnswer, LinkError, LinkService, SendError, World,
};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_domain::area::token::JoinToken;
use mf2c_fabric::wire::{Answer, Ask, Enrolled, Notice, WireError};
use mf2c_pki::area::{Credentials, Trust};
use mf2c_transport::link::{LinkCounters, LinkNet, LinkSettings};
use tokio::sync::watch;

/// See the module. Starts must happen on a thread of the actors' system.
pub(crate) struct Links {
    world: World,
    credentials: Credentials,
    settings: LinkSettings,
    listen: SocketAddr,
    service: OnceLock<Arc<dyn LinkService>>,
    net: OnceLock<Option<LinkNet>>,
    arbiter: Mutex<Option<Arbiter>>,
    bound: Mutex<Option<SocketAddr>>,
    /// Whether this agent takes links as an ordinary member too.
    may_lead: bool,
    /// Counts what may change what the agent is a member of.
    turns: watch::Sender<u64>,
}

impl Links {
    /// A network that will listen at `listen`, if it is told to. Nothing runs yet.
    /// `may_lead` tells whether the agent takes links as a member without an authority too, which a backup needs.
    pub(crate) fn new(
        world: World,
        credentials: Credentials,
        settings: LinkSettings,
        listen: SocketAddr,
        may_lead: bool,
    ) -> Self {
        let (service, net) = (OnceLock::new(), OnceLock::new());
        let (arbiter, bound) = (Mutex::default(), Mutex::default());
        let turns = watch::Sender::new(0);
        Self { world, credentials, settings, listen, service, net, arbiter, bound, may_lead, turns }
    }

    /// Tells whenever the agent's membership may have changed.
    pub(crate) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// Starts the network, for actors that will run on its thread: they could not wait there for its start.
    pub(crate) fn start_for_actors(&self) -> ArbiterHandle {
        self.net();
        self.thread()
    }

    /// The thread of the links, started if there is none yet.
    fn thread(&self) -> ArbiterHandle {
        self.arbiter.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Arbiter::new).handle()
    }

    /// Takes links as a member that may become a backup. A loopback address helps nobody on another machine.
    fn take_links_from_members(&self, leader: &str) {
        let host = leader.rsplit_once(':').map_or(leader, |(host, _)| host.trim_matches(['[', ']']));
        let near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !self.may_lead || (self.listen.ip().is_loopback() && !near) {
            return;
        }
        if let Err(error) = self.listen() {
            let address = self.listen;
            tracing::warn!(
                %address, %error,
                "nobody can call this agent, so it cannot become a backup: choose another address in `link.listen`"
            );
        }
    }

    /// Who answers peers. Before this they are told to come later.
    pub(crate) fn serve(&self, service: Arc<dyn LinkService>) {
        if self.service.set(service).is_ok()
            && let (Some(Some(net)), Some(service)) = (self.net.get(), self.service.get())
        {
            net.serve(Arc::clone(service));
        }
    }

    /// Listens for other agents, if that is not done yet.
    ///
    /// # Errors
    /// Where the address cannot be bound, or the system gives no thread.
    pub(crate) fn listen(&self) -> io::Result<SocketAddr> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = *bound {
            return Ok(address);
        }
        let net = self.net().ok_or_else(|| io::Error::other("there is no thread for links"))?;
        let address = net.listen(self.listen)?;
        *bound = Some(address);
        Ok(address)
    }

    /// Where other agents are let in, if they are.
    pub(crate) fn bound(&self) -> Option<SocketAddr> {
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted; none while nothing runs.
    pub(crate) fn counters(&self) -> Option<LinkCounters> {
        self.running().map(LinkNet::counters)
    }

    /// Closes everything. The thread, to be ended.
    pub(crate) fn stop(&self) -> Option<Arbiter> {
        if let Some(net) = self.running() {
            net.stop();
        }
        self.arbiter.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn running(&self) -> Option<&LinkNet> {
        self.net.get()?.as_ref()
    }

    /// The network, started if it does not run.
    fn net(&self) -> Option<&LinkNet> {
        self.net.get_or_init(|| self.start()).as_ref()
    }

    fn start(&self) -> Option<LinkNet> {
        let arbiter = self.thread();
        let (world, credentials, settings) = (self.world.clone(), self.credentials.clone(), self.settings.clone());
        let service = self.service.get().cloned();
        let (started, start) = mpsc::sync_channel(1);
        arbiter.spawn(async move {
            let net = LinkNet::start(world, credentials, settings);
            service.into_iter().for_each(|service| net.serve(service));
            // Whoever started it waits.
            let _ = started.send(net);
        });
        start.recv().inspect_err(|_| tracing::error!("the thread for links has failed")).ok()
    }

    fn ask_net<T: 'static>(&self, ask: impl FnOnce(&LinkNet) -> LinkAnswer<T>) -> LinkAnswer<T> {
        match self.net() {
            Some(net) => ask(net),
            None => Box::pin(async {
                let reason = "there is no thread for links".to_owned();
                Err(LinkError::Unreachable { address: "other agents".to_owned(), reason })
            }),
        }
    }
}

impl AuthorityTransport for Links {
    fn enrol(&self, token: JoinToken, ask: EnrolAsk) -> LinkAnswer<Enrolled> {
        self.ask_net(|net| net.enrol(token, ask))
    }

    fn renew_expired(&self, address: String, trust: Arc<Trust>, leader: SpiffeId, ask: Ask) -> LinkAnswer<Enrolled> {
        self.ask_net(|net| net.renew_expired(address, trust, leader, ask))
    }

    fn ask(&self, ask: Ask) -> LinkAnswer<Answer> {
        self.ask_net(|net| net.ask(ask))
    }

    fn lead_to(&self, leader: Option<(String, SpiffeId)>) {
        // Before the link is opened, which tells where this agent can be called.
        if let Some((address, _)) = &leader {
            self.take_links_from_members(address);
        }
        let net = if leader.is_some() { self.net() } else { self.running() };
        if let Some(net) = net {
            net.lead_to(leader);
        }
        self.turns.send_modify(|turn| *turn += 1);
    }

    fn open_door(&self) {
        if let Err(error) = self.listen() {
            let address = self.listen;
            tracing::error!(%address, %error, "other agents cannot come in: choose another address in `link.listen`");
        }
        self.turns.send_modify(|turn| *turn += 1);
    }

    fn close_unbelieved(&self) {
        if let Some(net) = self.running() {
            net.close_unbelieved();
        }
    }

    fn tell(&self, notice: Notice) {
        if let Some(net) = self.running() {
            net.tell(notice);
        }
    }
}

impl AreaNet for Links {
    fn keep(&self, targets: Vec<AreaPeer>) {
        let net = if targets.is_empty() { self.running() } else { self.net() };
        if let Some(net) = net {
            net.keep(targets);
        }
    }

    fn introduce(&self, introduction: Introduction) {
        // Without a membership there is nobody to say it to, and no thread is started for it.
        let net = if self.credentials.membership().is_some() { self.net() } else { self.running() };
        if let Some(net) = net {
            net.introduce(introduction);
        }
    }

    fn send(&self, link: u64, notice: &Notice) -> Result<(), SendError> {
        self.running().map_or(Err(SendError::Gone), |net| net.send(link, notice))
    }

    fn ask_over(&self, link: u64, ask: Ask, within: Duration) -> LinkAnswer<Answer> {
        self.ask_net(|net| net.ask_over(link, ask, within))
    }

    fn close(&self, link: u64, why: WireError) {
        if let Some(net) = self.running() {
            net.close(link, why);
        }
    }

    fn hint(&self, id: &SpiffeId, address: String) {
        if let Some(net) = self.running() {
            net.hint(id, address);
        }
    }

    fn visit(&self, address: String, term: u64) -> LinkAnswer<()> {
        self.ask_net(|net| net.visit(address, term))
    }
}
