//! Connections between hosts, undisturbed and disturbed.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LINE: Line =
    Line { latency: Duration::from_millis(10), jitter: Duration::from_millis(5), loss: 0.0, bandwidth: 0 };

fn address(host: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host as u8], 46_030))
}

fn network() -> Network {
    let network = Network::new(1, Arc::new(|_, _| LINE), Trace::new(Instant::now(), None));
    for host in 0..3 {
        network.place(host, address(host));
    }
    network
}

async fn pair(network: &Network) -> (Stream, Stream) {
    let mut listener = network.listen(1, address(1));
    let calling = network.dial(0, address(1)).await.unwrap();
    let (called, from) = listener.accept().await;
    assert_eq!((called.host(), called.peer(), from.ip()), (1, 0, address(0).ip()));
    (calling, called)
}

async fn waits(reading: impl Future<Output = io::Result<u8>>, seconds: u64) -> bool {
    tokio::time::timeout(Duration::from_secs(seconds), reading).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_a_round_trip_and_bytes_half_of_one() {
    let network = network();
    let began = Instant::now();
    let (mut one, mut two) = pair(&network).await;
    assert_eq!(began.elapsed(), Duration::from_millis(20));
    one.write_all(b"to").await.unwrap();
    let mut got = [0; 2];
    two.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"to");
    assert!((30..=36).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    drop(one);
    assert_eq!(two.read(&mut got).await.unwrap(), 0);
    drop(two);
    assert_eq!(network.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_refuses_and_nobody_reachable_takes_until_one_gives_up() {
    let network = network();
    assert_eq!(network.dial(0, address(2)).await.err().unwrap().kind(), io::ErrorKind::ConnectionRefused);
    network.disturb(1, Disturbance::Cut([2].into_iter().collect()));
    let dialling = tokio::time::timeout(Duration::from_secs(5), network.dial(0, address(2)));
    assert!(dialling.await.is_err());
    assert_eq!(network.dial(0, address(9)).await.err().unwrap().kind(), io::ErrorKind::HostUnreachable);
}

#[tokio::test(start_paused = true)]
async fn a_cut_holds_bytes_back_and_a_one_way_link_only_those_of_one_end() {
    let network = network();
    let (mut one, mut two) = pair(&network).await;
    network.disturb(1, Disturbance::OneWay(0, 1));
    one.write_u8(1).await.unwrap();
    two.write_u8(2).await.unwrap();
    assert_eq!(one.read_u8().await.unwrap(), 2);
    assert!(waits(two.read_u8(), 30).await);
    network.calm(1);
    assert_eq!(two.read_u8().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_lost_its_power_says_nothing_and_later_does_not_know_the_connection() {
    let network = network();
    let (mut one, two) = pair(&network).await;
    network.disturb(1, Disturbance::Dark([1].into_iter().collect()));
    drop(two);
    assert!(waits(one.read_u8(), 60).await);
    one.write_u8(1).await.unwrap();
    network.reborn(1);
    assert!(waits(one.read_u8(), 60).await);
    network.calm(1);
    assert_eq!(one.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(one.write_u8(1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_stops_its_sender_at_the_window() {
    let network = network();
    let (mut one, mut two) = pair(&network).await;
    network.disturb(1, Disturbance::LazyReaders([1].into_iter().collect(), 10_000));
    let all = vec![7; way::WINDOW + 1];
    let sending = tokio::time::timeout(Duration::from_secs(60), one.write_all(&all)).await;
    assert!(sending.is_err(), "nobody read, so nothing more than the window is taken");
    let began = Instant::now();
    let mut got = vec![0; 50_000];
    two.read_exact(&mut got).await.unwrap();
    assert!((4..=6).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    network.reset(0);
    assert!(two.read_u8().await.is_err() && one.write_u8(1).await.is_err());
}
