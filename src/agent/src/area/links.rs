//! The network of links to other agents, on a thread of its own that starts when it is first needed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use actix::Arbiter;
use mf2c_actors::ports::{AuthorityTransport, EnrolAsk, LinkAnswer, LinkError, LinkService, World};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::token::JoinToken;
use mf2c_fabric::wire::{Answer, Ask, Enrolled, Notice};
use mf2c_pki::area::{Credentials, Trust};
use mf2c_transport::link::{LinkCounters, LinkNet, LinkSettings};

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
}

impl Links {
    /// A network that will listen at `listen`, if it is told to. Nothing runs yet.
    pub(crate) fn new(world: World, credentials: Credentials, settings: LinkSettings, listen: SocketAddr) -> Self {
        let (service, net) = (OnceLock::new(), OnceLock::new());
        let (arbiter, bound) = (Mutex::default(), Mutex::default());
        Self { world, credentials, settings, listen, service, net, arbiter, bound }
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
        let arbiter = Arbiter::new();
        let (world, credentials, settings) = (self.world.clone(), self.credentials.clone(), self.settings.clone());
        let service = self.service.get().cloned();
        let (started, start) = mpsc::sync_channel(1);
        arbiter.spawn(async move {
            let net = LinkNet::start(world, credentials, settings);
            service.into_iter().for_each(|service| net.serve(service));
            // Whoever started it waits.
            let _ = started.send(net);
        });
        *self.arbiter.lock().unwrap_or_else(PoisonError::into_inner) = Some(arbiter);
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
        let net = if leader.is_some() { self.net() } else { self.running() };
        if let Some(net) = net {
            net.lead_to(leader);
        }
    }

    fn open_door(&self) {
        if let Err(error) = self.listen() {
            let address = self.listen;
            tracing::error!(%address, %error, "other agents cannot come in: choose another address in `link.listen`");
        }
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
