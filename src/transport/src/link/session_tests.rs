//! An open link over a pipe, with time that runs as fast as it can: vectors F1, F3, F4 and F5.

use std::net::IpAddr;
use std::sync::Mutex;

use mf2c_actors::ports::{LinkReply, LinkService, World};
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::hello::{Agreement, Scope};
use mf2c_fabric::wire::{Ask, AuthorityTrust, Hello, Notice, Succession, TrustNews};
use mf2c_pki::area::{PeerIdentity, Serial};
use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::link::LinkLimits;
use crate::link::registry::Peer;

const MAX: u32 = 1 << 20;

/// Wall time that runs with the timers.
struct Running(Instant);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        let nanos = i128::try_from(self.elapsed().as_nanos()).unwrap();
        Timestamp::from_nanos(Timestamp::parse("2026-11-22T00:00:00Z").unwrap().nanos() + nanos)
    }

    fn elapsed(&self) -> Duration {
        Instant::now() - self.0
    }
}

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// Answers questions for news with a list as long as the bundle's number, and nothing else ever.
#[derive(Default)]
struct Lists(Mutex<Vec<Notice>>);

impl LinkService for Lists {
    fn answer(&self, ask: Ask, _: Option<Arc<PeerIdentity>>, _: IpAddr) -> LinkReply {
        match ask {
            Ask::Trust { have } => Box::pin(async move { Ok(list(have.bundle)) }),
            _ => Box::pin(std::future::pending()),
        }
    }

    fn notice(&self, notice: Notice, _: Arc<PeerIdentity>) {
        self.0.lock().unwrap().push(notice);
    }
}

fn list(length: u64) -> Answer {
    let lists = vec![vec![7; usize::try_from(length).unwrap()].into()];
    Answer::Trust(AuthorityTrust { lists, ..AuthorityTrust::default() })
}

fn news(length: u64) -> Ask {
    Ask::Trust { have: TrustNews { bundle: length, lists: vec![] } }
}

/// The other end of a link.
struct Far {
    io: DuplexStream,
    decoder: Decoder,
    link: Arc<Link>,
    base: Arc<Base>,
    service: Arc<Lists>,
    task: JoinHandle<End>,
}

fn peer(not_after: Timestamp, accepted: bool, scope: Scope) -> Peer {
    let identity = PeerIdentity {
        id: "spiffe://d/area/a/agent/c1".parse().unwrap(),
        unit: "agent".into(),
        serial: Serial::from_bytes(&[1]),
        issuer: "00".into(),
        authority: None,
        not_before: Timestamp::default(),
        not_after,
        key: [0; 32],
    };
    Peer {
        identity: Arc::new(identity),
        chain: vec![],
        address: ([127, 0, 0, 1], 1).into(),
        accepted,
        agreement: Agreement { version: 1, max_frame: MAX, scope, skew: None },
        hello: Arc::new(hello()),
    }
}

fn hello() -> Hello {
    Hello {
        v: vec![1],
        node: "spiffe://d/area/a/agent/c1".into(),
        area: "a".into(),
        role: "agent".into(),
        term: 0,
        incarnation: 0,
        boot: 1,
        origin: vec![].into(),
        listen: String::new(),
        clock: 0,
        features: vec![],
        max_frame: MAX,
        trust: TrustNews::default(),
    }
}

/// Signs of life as between areas, so that other clocks are seen.
fn patient() -> LinkLimits {
    let limits = LinkLimits::default();
    LinkLimits { ping: limits.far_ping, dead: limits.far_dead, ..limits }
}

impl Far {
    fn new(limits: LinkLimits) -> Self {
        Self::with(limits, peer(Timestamp::parse("2026-11-23T00:00:00Z").unwrap(), true, Scope::Area))
    }

    fn with(limits: LinkLimits, peer: Peer) -> Self {
        let world = World { clock: Arc::new(Running(Instant::now())), entropy: Arc::new(Zeros) };
        let (io, near) = tokio::io::duplex(64 << 10);
        let decoder = Decoder::new(limits.max_frame);
        let base = Arc::new(Base::new(world, limits));
        let service = Arc::new(Lists::default());
        let serving: Arc<dyn LinkService> = Arc::clone(&service) as _;
        assert!(base.service.set(serving).is_ok());
        let (link, orders) = Link::new(1, peer, Timestamp::default(), 1);
        let session = Session::new(near, decoder, Arc::clone(&link), orders, Arc::clone(&base));
        Self { io, decoder: Decoder::new(MAX), link, base, service, task: tokio::spawn(session.run()) }
    }

    async fn send(&mut self, message: &Message) {
        self.io.write_all(&encode(message, MAX).unwrap()).await.unwrap();
    }

    async fn request(&mut self, id: u64, ask: Ask) {
        self.send(&Message::Request { id, deadline: 600_000, ask }).await;
    }

    /// The next message; none at the end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.decoder.next().unwrap() {
                return Some(message);
            }
            let mut chunk = [0; 4096];
            match self.io.read(&mut chunk).await {
                Ok(read) if read > 0 => self.decoder.feed(&chunk[..read]),
                _ => return None,
            }
        }
    }

    /// Why it was closed; answers to what was asked before are passed over.
    async fn closed(&mut self) -> Code {
        while let Some(message) = self.next().await {
            if let Message::Close(error) = message {
                return error.code;
            }
        }
        panic!("the link ended without a reason");
    }

    fn age(&self) -> Duration {
        self.base.world.clock.elapsed()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_by_their_number_and_signs_of_life_returned() {
    let mut far = Far::new(LinkLimits::default());
    far.send(&Message::Ping(7)).await;
    assert_eq!(far.next().await, Some(Message::Pong(7)));
    far.request(3, news(5)).await;
    assert_eq!(far.next().await, Some(Message::Reply { re: 3, result: Ok(list(5)) }));

    let (reply, answer) = oneshot::channel();
    let asking = Asking { ask: Ask::Bundle, deadline: 1000, reply };
    far.link.order(Command::Ask(Box::new(asking))).unwrap();
    let Some(Message::Request { id, ask: Ask::Bundle, .. }) = far.next().await else { panic!("no question") };
    far.send(&Message::Reply { re: id + 1, result: Ok(list(1)) }).await;
    far.send(&Message::Reply { re: id, result: Ok(list(2)) }).await;
    assert_eq!(answer.await.unwrap(), Ok(list(2)));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_is_refused_with_its_reason_and_the_link_closed() {
    let hello = b"\x81\xa5hello\x80";
    let framed = |value: &[u8]| [&u32::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat();
    let deep = framed(&[&b"\x81\xa4ping"[..], &vec![0x91; 10_000]].concat());
    let ping = encode(&Message::Ping(1), MAX).unwrap();
    for (bytes, code) in [
        (vec![0xFF; 4], Code::TooLarge),
        ((MAX + 1).to_be_bytes().to_vec(), Code::TooLarge),
        (vec![0; 4], Code::BadFrame),
        (framed(hello), Code::BadFrame),
        (framed(b"\x81\xa4ping\xa3abc"), Code::BadFrame),
        (framed(&ping[4..ping.len() - 1]), Code::BadFrame),
        (deep, Code::BadFrame),
    ] {
        let mut far = Far::new(LinkLimits::default());
        far.io.write_all(&bytes).await.unwrap();
        assert_eq!(far.closed().await, code, "{:?}", &bytes[..bytes.len().min(16)]);
        drop(far.io);
        assert!(matches!(far.task.await.unwrap(), End::Refuse(error) if error.code == code));
        assert!(far.base.world.clock.elapsed() < seconds(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_dribbled_ends_the_link_after_ten_seconds() {
    let mut far = Far::new(patient());
    let frame = encode(&Message::Ping(1), MAX).unwrap();
    far.io.write_all(&frame[..4]).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(9900), far.next()).await.is_err());
    far.io.write_all(&frame[4..5]).await.unwrap();
    assert_eq!(far.closed().await, Code::BadFrame);
    assert!((seconds(10)..seconds(11)).contains(&far.age()), "{:?}", far.age());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_for_signs_of_life_and_then_given_up() {
    // Of both ends the caller asks first; between areas it is all slower.
    for (accepted, scope, asked, given_up) in [
        (false, Scope::Area, &[3000][..], 5000),
        (true, Scope::Area, &[3750], 5000),
        (false, Scope::Certification, &[15_000, 30_000, 45_000], 60_000),
        (true, Scope::Backup, &[18_750, 37_500, 56_250], 60_000),
    ] {
        let end = Timestamp::parse("2026-11-23T00:00:00Z").unwrap();
        let mut far = Far::with(LinkLimits::default(), peer(end, accepted, scope));
        let mut begun = 0;
        for _ in 0..2 {
            for at in asked {
                assert_eq!(far.next().await, Some(Message::Ping(0)));
                assert!((begun + at..begun + at + 3).contains(&far.age().as_millis()), "{:?}", far.age());
            }
            if begun == 0 {
                // The clock of silence begins anew.
                begun = far.age().as_millis();
                far.send(&Message::Pong(0)).await;
            }
        }
        assert_eq!(far.next().await, None);
        assert!((begun + given_up..begun + given_up + 3).contains(&far.age().as_millis()), "{:?}", far.age());
        assert!(matches!(far.task.await.unwrap(), End::Gone(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_with_the_certificate_of_its_peer() {
    let end = Timestamp::parse("2026-11-22T00:00:20Z").unwrap();
    let mut far = Far::with(patient(), peer(end, true, Scope::Area));
    assert_eq!(far.next().await, Some(Message::Ping(0)));
    assert_eq!(far.closed().await, Code::Auth);
    assert_eq!(far.age().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_sent_a_bounded_number_of_bytes_and_closed_after_thirty_seconds() {
    let mut far = Far::new(patient());
    for id in 0..64 {
        far.request(id, news(200_000)).await;
    }
    // Nothing is read here; notices go on.
    let notice = Notice::Trust(AuthorityTrust { lists: vec![vec![1; 100_000].into()], ..AuthorityTrust::default() });
    let notice: Bytes = encode(&Message::Notice(notice), MAX).unwrap().into();
    let mut refused = 0;
    while refused < 10_000 {
        refused += u32::from(far.link.order(Command::Send(notice.clone())).is_err());
        tokio::task::yield_now().await;
        if far.link.has_ended() {
            break;
        }
    }
    let end = tokio::time::timeout(seconds(40), &mut far.task).await.unwrap().unwrap();
    assert!(matches!(end, End::Refuse(error) if error.code == Code::Busy));
    assert!((seconds(30)..seconds(33)).contains(&far.age()), "{:?}", far.age());
    assert_eq!(far.base.counting.read(0, 0).stalled, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outbox_holds_no_more_than_its_bound_and_one_frame() {
    let mut outbox = Outbox::new(4, 1000);
    let (mut io, mut far) = tokio::io::duplex(100);
    let mut pushed = 0;
    while !outbox.is_full() {
        outbox.push(Bytes::from(vec![0; 300]));
        pushed += 1;
    }
    assert_eq!(pushed, 4);
    let mut written = Written::default();
    let write = std::future::poll_fn(|cx| {
        let _ = outbox.poll_write(&mut io, cx, &mut written);
        Poll::Ready(())
    });
    write.await;
    assert_eq!(written, Written { frames: 0, bytes: 100 });
    outbox.end_with(Some(Bytes::from_static(b"end")));
    let rest = tokio::spawn(async move {
        let mut bytes = vec![];
        far.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    std::future::poll_fn(|cx| outbox.poll_write(&mut io, cx, &mut written)).await.unwrap();
    assert!(outbox.is_done());
    drop(io);
    // The frame that had begun, and the last one.
    assert_eq!(rest.await.unwrap(), [&vec![0; 300][..], b"end"].concat());
}

#[tokio::test(start_paused = true)]
async fn more_open_questions_than_the_bound_are_refused_as_busy_and_the_link_lives_on() {
    let mut far = Far::new(LinkLimits { in_flight: 2, ..LinkLimits::default() });
    for id in 1..=3 {
        far.request(id, Ask::Bundle).await;
    }
    let Some(Message::Reply { re: 3, result: Err(error) }) = far.next().await else { panic!("no refusal") };
    assert_eq!(error.code, Code::Busy);
    // The others are given up after half a minute.
    let mut late = vec![];
    while late.len() < 2 {
        match far.next().await {
            Some(Message::Ping(number)) => far.send(&Message::Pong(number)).await,
            Some(Message::Reply { re, result: Err(error) }) if error.code == Code::Busy => late.push(re),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(far.age().as_secs(), 30);
    far.request(4, Ask::Bundle).await;
    far.request(4, Ask::Bundle).await;
    assert_eq!(far.closed().await, Code::BadFrame, "a number twice");
}

#[tokio::test(start_paused = true)]
async fn an_agent_ends_a_link_at_once_although_the_peer_takes_nothing() {
    let mut far = Far::new(LinkLimits::default());
    for id in 0..8 {
        far.request(id, news(200_000)).await;
    }
    tokio::task::yield_now().await;
    far.link.close(WireError::new(Code::Revoked, "revoked"));
    let end = tokio::time::timeout(seconds(2), &mut far.task).await.unwrap().unwrap();
    assert!(matches!(end, End::Refuse(error) if error.code == Code::Revoked));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_to_finish_waits_for_open_questions_and_takes_no_more() {
    let mut far = Far::new(LinkLimits::default());
    let (reply, answer) = oneshot::channel();
    far.link.order(Command::Ask(Box::new(Asking { ask: Ask::Bundle, deadline: 1000, reply }))).unwrap();
    let Some(Message::Request { id, .. }) = far.next().await else { panic!("no question") };
    far.link.order(Command::Finish).unwrap();
    far.request(1, news(1)).await;
    assert!(matches!(far.next().await, Some(Message::Reply { re: 1, result: Err(_) })));
    assert!(far.link.order(Command::Finish).is_err());
    far.send(&Message::Reply { re: id, result: Ok(list(1)) }).await;
    assert_eq!(answer.await.unwrap(), Ok(list(1)));
    assert_eq!(far.next().await, None);
    drop(far.io);
    assert_eq!(far.task.await.unwrap(), End::Done);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_answer_hears_why_there_is_none() {
    let mut far = Far::new(LinkLimits::default());
    let (reply, answer) = oneshot::channel();
    far.link.order(Command::Ask(Box::new(Asking { ask: Ask::Bundle, deadline: 1000, reply }))).unwrap();
    assert!(far.next().await.is_some());
    let revoked = WireError::new(Code::Revoked, "revoked");
    far.send(&Message::Close(revoked.clone())).await;
    assert_eq!(answer.await.unwrap(), Err(LinkError::Refused(revoked.clone())));
    assert_eq!(far.task.await.unwrap(), End::Told(revoked));
}

#[tokio::test(start_paused = true)]
async fn what_peers_may_ask_and_tell_depends_on_where_they_stand() {
    let end = Timestamp::parse("2026-11-23T00:00:00Z").unwrap();
    let user = Ask::CertifyUser { request: vec![].into(), name: "jane".into(), ttl: 1 };
    let expired = Ask::Enrol {
        token: String::new(),
        secret: vec![].into(),
        request: vec![].into(),
        role: mf2c_domain::area::role::MemberRole::Agent,
        device: String::new(),
        area: None,
        names: vec![],
    };
    let keep = Ask::KeepAuthority(Succession {
        term: 1,
        key: vec![].into(),
        certificates: vec![].into(),
        state: vec![].into(),
    });
    let probe = Ask::Probe { of: String::new() };
    let area = Ask::CertifyArea { request: vec![].into() };
    let leader = |accepted, scope| {
        let mut peer = peer(end, accepted, scope);
        Arc::get_mut(&mut peer.identity).unwrap().unit = "leader".into();
        peer
    };
    let member = peer(end, true, Scope::Area);
    let (own_leader, below) = (leader(false, Scope::Area), leader(true, Scope::Certification));
    let (above, backup) = (leader(false, Scope::Certification), peer(end, true, Scope::Backup));
    let founder = peer(end, true, Scope::Founding);
    for (peer, may, may_not) in [
        (&founder, vec![&probe, &area], vec![&user, &expired, &keep]),
        (&member, vec![&user, &probe], vec![&expired, &keep]),
        (&own_leader, vec![&user, &probe, &keep], vec![&expired]),
        (&below, vec![&probe, &area], vec![&user, &expired, &keep]),
        (&above, vec![&probe], vec![&user, &keep]),
        (&backup, vec![&probe], vec![&user, &expired, &keep, &area]),
    ] {
        for ask in may {
            assert_eq!(rights::may_ask(peer, ask), Ok(()), "{peer:?} {ask:?}");
        }
        for ask in may_not {
            assert_eq!(rights::may_ask(peer, ask).unwrap_err().code, Code::Forbidden, "{peer:?} {ask:?}");
        }
    }
    let mut far = Far::with(LinkLimits::default(), below);
    far.request(1, user).await;
    let Some(Message::Reply { re: 1, result: Err(error) }) = far.next().await else { panic!("no refusal") };
    assert_eq!(error.code, Code::Forbidden);
    far.request(3, news(1)).await;
    assert!(matches!(far.next().await, Some(Message::Reply { re: 3, result: Ok(_) })));

    let whole =
        AuthorityTrust { sequence: 9, roots: vec![vec![1].into()], intermediates: vec![], lists: vec![vec![2].into()] };
    let lists = AuthorityTrust { sequence: 0, roots: vec![], ..whole.clone() };
    let mut dialled = member.clone();
    dialled.accepted = false;
    for (peer, expected) in
        [(member, Some(&lists)), (dialled, Some(&lists)), (own_leader, Some(&whole)), (backup, None)]
    {
        let mut far = Far::with(LinkLimits::default(), peer);
        far.send(&Message::Notice(Notice::Trust(whole.clone()))).await;
        far.send(&Message::Ping(1)).await;
        assert_eq!(far.next().await, Some(Message::Pong(1)));
        assert_eq!(*far.service.0.lock().unwrap(), Vec::from_iter(expected.cloned().map(Notice::Trust)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_of_a_peer_make_it_panic_or_hang(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut far = Far::new(LinkLimits::default());
            for piece in &pieces {
                let _ = far.io.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            far.io.shutdown().await.unwrap();
            while far.next().await.is_some() {}
            drop(far.io);
            far.task.await.unwrap();
        });
    }
}
