//! A Wi-Fi card, by the programs `iw`, `ip`, `hostapd`, `hostapd_cli`, `wpa_supplicant`, `wpa_cli` and `dnsmasq`. What is
//! said to them and read from them is in `mf2c_domain::area::wifi`.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::discovery::ports::{Wifi, WifiAnswer, WifiError, WifiScan};
use mf2c_domain::area::beacon::Beacon;
use mf2c_domain::area::wifi;
use tokio::process::Child;
use tokio::sync::Mutex;

use super::programs::{run, start};

/// How long a scan may take: every channel is listened to.
const SCAN: Duration = Duration::from_secs(30);
/// How long other programs may take.
const SHORT: Duration = Duration::from_secs(5);
/// How long a program that goes on is watched at first: bad files end it at once.
const MOMENT: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Clone)]
pub struct WifiCard {
    card: String,
    folder: PathBuf,
    running: Arc<Mutex<Running>>,
}

/// Programs that go on until they are dropped.
#[derive(Default)]
struct Running {
    hostapd: Option<Child>,
    dnsmasq: Option<Child>,
    supplicant: Option<Child>,
}

impl WifiCard {
    /// The card of this name; files for programs are made below this folder. Nothing runs yet.
    #[must_use]
    pub fn new(card: String, folder: PathBuf) -> Self {
        Self { card, folder, running: Arc::default() }
    }

    /// Whether it is our card, and there.
    fn check(&self, asked: &str) -> Result<(), WifiError> {
        wifi::check_interface(asked).map_err(|error| WifiError::Wrong(error.to_string()))?;
        if asked != self.card {
            return Err(WifiError::OtherCard { asked: asked.to_owned(), own: self.card.clone() });
        }
        self.is_there()
    }

    fn is_there(&self) -> Result<(), WifiError> {
        has_card(&self.card).then_some(()).ok_or_else(|| WifiError::NoCard(self.card.clone()))
    }

    /// Writes a file that only we can read.
    fn write(&self, name: &str, text: &str) -> Result<String, WifiError> {
        let path = self.folder.join(name);
        let written = || -> io::Result<()> {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())
        };
        written().map_err(|error| WifiError::NotNow(format!("{}: {error}", path.display())))?;
        Ok(path.display().to_string())
    }

    fn control(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    async fn scan_now(self, asked: String) -> Result<WifiScan, WifiError> {
        self.check(&asked)?;
        // `ap-force` scans beside a network that this card spans: the original took it down.
        let printed = run("iw", &["dev", &self.card, "scan", "-u", "ap-force", "passive"], SCAN).await?;
        let address = Path::new("/sys/class/net").join(&self.card).join("address");
        let card = std::fs::read_to_string(address).unwrap_or_default().trim().to_owned();
        Ok(WifiScan { card, leaders: wifi::found(&printed) })
    }

    async fn broadcast_now(self, asked: String, interval: u16, said: Beacon) -> Result<(), WifiError> {
        self.check(&asked)?;
        let file = wifi::hostapd_file(&self.card, interval, &said, &self.control("hostapd"))
            .map_err(|error| WifiError::Wrong(error.to_string()))?;
        let file = self.write("hostapd.conf", &file)?;
        let mut running = self.running.lock().await;
        running.hostapd = None;
        let child = start("hostapd", &[file], MOMENT).await?;
        run("ip", &["addr", "replace", wifi::LEADER_NETWORK, "dev", &self.card], SHORT).await?;
        running.hostapd = Some(child);
        Ok(())
    }

    async fn join_now(self, asked: String, bssid: String) -> Result<(), WifiError> {
        self.check(&asked)?;
        let file = wifi::supplicant_file(&bssid).map_err(|error| WifiError::Wrong(error.to_string()))?;
        let control = format!("ctrl_interface={}\n", self.control("supplicant"));
        let file = self.write("supplicant.conf", &(control + &file))?;
        let mut running = self.running.lock().await;
        if running.hostapd.is_some() {
            let reason = "the card spans a network: end that first (PUT /broadcast/)".to_owned();
            return Err(WifiError::NotNow(reason));
        }
        running.supplicant = None;
        let arguments = ["-i", &self.card, "-c", &file].map(str::to_owned);
        running.supplicant = Some(start("wpa_supplicant", &arguments, MOMENT).await?);
        Ok(())
    }

    async fn serve_now(self, asked: String) -> Result<(), WifiError> {
        self.check(&asked)?;
        let arguments = wifi::dnsmasq_arguments(&self.card, &self.control("dnsmasq.pid"))
            .map_err(|error| WifiError::Wrong(error.to_string()))?;
        let mut running = self.running.lock().await;
        if running.hostapd.is_none() {
            return Err(WifiError::NotNow("this agent spans no network: POST /broadcast/ first".to_owned()));
        }
        running.dnsmasq = None;
        running.dnsmasq = Some(start("dnsmasq", &arguments, MOMENT).await?);
        Ok(())
    }

    async fn connected_now(self) -> Result<bool, WifiError> {
        if self.running.lock().await.supplicant.is_none() {
            return Ok(false);
        }
        let control = self.control("supplicant");
        let printed = run("wpa_cli", &["-p", &control, "-i", &self.card, "status"], SHORT).await?;
        Ok(wifi::is_connected(&printed))
    }

    async fn stations_now(self) -> Result<Vec<String>, WifiError> {
        if self.running.lock().await.hostapd.is_none() {
            return Err(WifiError::NotNow("this agent spans no network: POST /broadcast/ first".to_owned()));
        }
        let control = self.control("hostapd");
        let printed = run("hostapd_cli", &["-p", &control, "-i", &self.card, "all_sta"], SHORT).await?;
        Ok(wifi::stations(&printed))
    }

    async fn own_address_now(self) -> Result<Option<Ipv4Addr>, WifiError> {
        self.is_there()?;
        let printed = run("ip", &["-4", "-o", "addr", "show", "dev", &self.card], SHORT).await?;
        Ok(wifi::own_address(&printed))
    }
}

impl Wifi for WifiCard {
    fn scan(&self, interface: &str) -> WifiAnswer<WifiScan> {
        Box::pin(self.clone().scan_now(interface.to_owned()))
    }

    fn broadcast(&self, interface: &str, interval: u16, said: Beacon) -> WifiAnswer<()> {
        Box::pin(self.clone().broadcast_now(interface.to_owned(), interval, said))
    }

    fn end_broadcast(&self) -> WifiAnswer<()> {
        let card = self.clone();
        Box::pin(async move {
            let mut running = card.running.lock().await;
            let spanned = running.hostapd.take().is_some();
            running.dnsmasq = None;
            if spanned {
                let ended = run("ip", &["addr", "del", wifi::LEADER_NETWORK, "dev", &card.card], SHORT).await;
                // It may have been taken away already; the network is gone all the same.
                ended.map(drop).unwrap_or_else(|error| tracing::debug!(%error, "the address of the leader's network"));
            }
            Ok(())
        })
    }

    fn join(&self, interface: &str, bssid: &str) -> WifiAnswer<()> {
        Box::pin(self.clone().join_now(interface.to_owned(), bssid.to_owned()))
    }

    fn leave(&self) -> WifiAnswer<()> {
        let card = self.clone();
        Box::pin(async move {
            card.running.lock().await.supplicant = None;
            Ok(())
        })
    }

    fn is_connected(&self) -> WifiAnswer<bool> {
        Box::pin(self.clone().connected_now())
    }

    fn stations(&self) -> WifiAnswer<Vec<String>> {
        Box::pin(self.clone().stations_now())
    }

    fn own_address(&self) -> WifiAnswer<Option<Ipv4Addr>> {
        Box::pin(self.clone().own_address_now())
    }

    fn serve_addresses(&self, interface: &str) -> WifiAnswer<()> {
        Box::pin(self.clone().serve_now(interface.to_owned()))
    }

    fn end_addresses(&self) -> WifiAnswer<()> {
        let card = self.clone();
        Box::pin(async move {
            card.running.lock().await.dnsmasq = None;
            Ok(())
        })
    }
}

/// Whether this machine has such a card.
#[must_use]
pub fn has_card(card: &str) -> bool {
    wifi::check_interface(card).is_ok() && Path::new("/sys/class/net").join(card).exists()
}

/// No card: everything is refused with what to do about it.
#[derive(Debug, Clone, Copy)]
pub struct NoWifi;

fn off<T: Send + 'static>() -> WifiAnswer<T> {
    Box::pin(std::future::ready(Err(WifiError::Off)))
}

impl Wifi for NoWifi {
    fn scan(&self, _: &str) -> WifiAnswer<WifiScan> {
        off()
    }

    fn broadcast(&self, _: &str, _: u16, _: Beacon) -> WifiAnswer<()> {
        off()
    }

    fn end_broadcast(&self) -> WifiAnswer<()> {
        off()
    }

    fn join(&self, _: &str, _: &str) -> WifiAnswer<()> {
        off()
    }

    fn leave(&self) -> WifiAnswer<()> {
        off()
    }

    fn is_connected(&self) -> WifiAnswer<bool> {
        off()
    }

    fn stations(&self) -> WifiAnswer<Vec<String>> {
        off()
    }

    fn own_address(&self) -> WifiAnswer<Option<Ipv4Addr>> {
        off()
    }

    fn serve_addresses(&self, _: &str) -> WifiAnswer<()> {
        off()
    }

    fn end_addresses(&self) -> WifiAnswer<()> {
        off()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_card_a_missing_one_and_no_name_at_all_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let card = WifiCard::new("mf2c-none0".to_owned(), folder.path().join("wifi"));
        let refused = |error: WifiError| error.to_string();
        assert!(refused(card.scan("wlan9").await.unwrap_err()).contains("not `wlan9`"));
        assert_eq!(card.scan("mf2c-none0").await, Err(WifiError::NoCard("mf2c-none0".to_owned())));
        assert!(refused(card.scan("-i;reboot").await.unwrap_err()).contains("no name of a network interface"));
        assert_eq!(card.is_connected().await, Ok(false));
        assert!(matches!(card.stations().await, Err(WifiError::NotNow(_))));
        assert_eq!(NoWifi.scan("wlan0").await, Err(WifiError::Off));
    }

    #[tokio::test]
    async fn what_is_wrong_with_an_access_point_is_told_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let card = WifiCard::new("lo".to_owned(), folder.path().join("wifi"));
        assert!(matches!(card.join("lo", "02:00").await, Err(WifiError::Wrong(_))));
        assert!(!folder.path().join("wifi").exists());
        assert_eq!(card.own_address().await, Ok(Some(Ipv4Addr::LOCALHOST)), "with `ip`, which is everywhere");
    }
}
