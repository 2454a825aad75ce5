//! Discovery by a Wi-Fi card: the network of a leader is there as long as it leads, and tells what it is now; who has lost its
//! leader listens for others.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::beacon::{Beacon, Role};
use mf2c_domain::area::sighting::Sighting;
use mf2c_domain::area::standing::Standing;

use super::actor::{RETRY, is_lost};
use super::ports::WifiError;
use super::{Discovery, HeardWifi};

/// How long a scan is remembered.
const HELD: Duration = Duration::from_secs(120);
/// The pause between two scans: each takes the card's time.
const SCAN_EVERY: Duration = Duration::from_secs(60);
/// The pause between two beacons of the network, in units of 1.024 ms.
const INTERVAL: u16 = 100;

/// What the card does.
#[derive(Default)]
pub(super) struct Air {
    /// What the network tells; none where there is none that this actor began.
    said: Option<Beacon>,
    /// Whether this agent led when it was looked at last: an administrator may have begun a network too.
    led: bool,
    is_busy: bool,
    next_try: Duration,
    next_scan: Duration,
    /// When there is something to do.
    pub(super) wake: Option<Duration>,
}

/// What the card is to do now.
enum Task {
    Tell(Beacon),
    End,
    Scan,
}

impl Discovery {
    /// Has the card do what fits how the agent stands.
    pub(super) fn tend_wifi(&mut self, standing: &Standing, now: Duration, context: &mut Context<Self>) {
        self.air.wake = None;
        if self.around.wifi.is_none() || self.air.is_busy {
            return;
        }
        let wanted = self.own(standing).filter(|_| standing.leads());
        let air = &mut self.air;
        let task = match wanted {
            None if air.said.is_some() || air.led => Some((Task::End, now)),
            Some(wanted) if air.said.as_ref() != Some(&wanted) => Some((Task::Tell(wanted), air.next_try)),
            None if is_lost(standing) => Some((Task::Scan, air.next_scan)),
            _ => None,
        };
        air.led = standing.leads();
        match task {
            Some((task, due)) if due <= now => self.begin(task, context),
            Some((_, due)) => self.air.wake = Some(due),
            None => {}
        }
    }

    fn begin(&mut self, task: Task, context: &mut Context<Self>) {
        let Some((card, wifi)) = self.around.wifi.clone() else { return };
        self.air.is_busy = true;
        let done = async move {
            match task {
                Task::End => (None, wifi.end_broadcast().await.map(|()| vec![])),
                Task::Scan => {
                    let found = wifi.scan(&card).await;
                    (None, found.map(|scan| scan.leaders.into_iter().map(|leader| leader.beacon).collect()))
                }
                Task::Tell(said) => {
                    let told = wifi.broadcast(&card, INTERVAL, said.clone()).await;
                    if told.is_ok()
                        && let Err(error) = wifi.serve_addresses(&card).await
                    {
                        tracing::warn!(%error, "no addresses are given out in the network of this agent");
                    }
                    let said = told.is_ok().then_some(said);
                    (said, told.map(|()| vec![]))
                }
            }
        };
        context.spawn(done.into_actor(self).map(|(said, heard), discovery, context| {
            discovery.finish(said, heard, context);
        }));
    }

    fn finish(&mut self, said: Option<Beacon>, heard: Result<Vec<Beacon>, WifiError>, context: &mut Context<Self>) {
        let now = self.now();
        self.air.is_busy = false;
        self.air.said = said;
        self.air.next_scan = now + SCAN_EVERY;
        match heard {
            Ok(leaders) => self.hear_wifi(&leaders, context),
            Err(error) => {
                tracing::warn!(%error, "the Wi-Fi card does not do what it should; it is tried again in a minute");
                self.air.next_try = now + RETRY;
            }
        }
        self.work(context);
    }

    fn hear_wifi(&mut self, leaders: &[Beacon], context: &mut Context<Self>) {
        let now = self.around.world.clock.now();
        for said in leaders.iter().filter(|said| !self.is_own(&said.device().unwrap_or_default())).collect::<Vec<_>>() {
            let role = said.role.or(Some(Role::Leader));
            let address = said.port.map(|port| format!("{}:{port}", mf2c_domain::area::wifi::LEADER_ADDRESS));
            if let Some(sighting) = Sighting::of(&Beacon { role, ..said.clone() }, address, "wifi", now) {
                self.hear(sighting, "wifi", HELD, context);
            }
        }
    }
}

impl Handler<HeardWifi> for Discovery {
    type Result = ();

    fn handle(&mut self, heard: HeardWifi, context: &mut Self::Context) {
        self.hear_wifi(&heard.leaders, context);
    }
}
