//! Frames and crowds on real connections: vectors F1, F3, F5, F6 and F7.

use std::time::Duration;

use mf2c_actors::ports::AuthorityTransport as _;
use mf2c_fabric::wire::{Ask, AuthorityTrust, Code, Message, Notice, TrustNews};
use mf2c_transport::link::{LinkLimits, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::world::{Agent, Area, eventually, memory, soon};

fn news(length: u64) -> Ask {
    Ask::Trust { have: TrustNews { bundle: length, lists: vec![] } }
}

fn request(id: u64, ask: Ask) -> Message {
    Message::Request { id, deadline: 60_000, ask }
}

#[tokio::test]
async fn a_length_of_four_billion_closes_the_link_and_costs_no_memory() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    // The first time, everything that handshakes need is loaded.
    child.greeted(&leader).await.write(&[0xFF; 4]).await;
    let before = memory();
    for _ in 0..20 {
        let mut hand = child.greeted(&leader).await;
        hand.write(&[0xFF; 4]).await;
        assert_eq!(hand.closed().await, Code::TooLarge);
    }
    eventually(|| leader.net.counters().open == 0).await;
    // 20 frames of 4 GiB were announced; other tests of this process may run beside this one.
    assert!(memory().saturating_sub(before) < 64 << 20);
    // In place of the Hello it is the same.
    let mut hand = child.by_hand(&leader).await;
    hand.write(&[0xFF; 4]).await;
    assert_eq!(hand.closed().await, Code::TooLarge);
}

#[tokio::test]
async fn a_frame_that_is_dribbled_frees_its_link_at_the_limit() {
    let area = Area::new("a1");
    let limits = LinkLimits { frame: Duration::from_millis(200), ..LinkLimits::default() };
    let (leader, child) = (Agent::leader_with(&area, limits), Agent::member(&area, "c1", "agent"));
    let mut hand = child.greeted(&leader).await;
    let from = Instant::now();
    hand.write(&[0, 0, 0, 50]).await;
    hand.write(&[0x81]).await;
    assert_eq!(hand.closed().await, Code::BadFrame);
    assert!(from.elapsed() >= Duration::from_millis(200));
    eventually(|| leader.net.counters().open == 0).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_closed_and_the_others_do_not_notice() {
    let area = Area::new("a1");
    let limits = LinkLimits { write_stall: Duration::from_secs(3), ..LinkLimits::default() };
    let leader = Agent::leader_with(&area, limits);
    let (child, other) = (Agent::member(&area, "c1", "agent"), Agent::member(&area, "c2", "agent"));
    other.follow(&leader);
    soon(other.ask_serial()).await.unwrap();
    let mut slow = child.greeted(&leader).await;
    for id in 0..60 {
        slow.send(&request(id, news(900_000))).await;
    }
    let before = memory();
    // Nothing is read of the 54 MB; the other child is served meanwhile, and notices go to both.
    let (mut served, mut told) = (0, 0);
    let notice = Notice::Trust(AuthorityTrust { lists: vec![vec![1; 50_000].into()], ..AuthorityTrust::default() });
    while leader.net.counters().open > 1 {
        soon(other.ask_serial()).await.unwrap();
        served += 1;
        if served % 5 == 0 {
            leader.net.tell(notice.clone());
            told += other.answers.notices.lock().unwrap().drain(..).count();
        }
        assert!(memory().saturating_sub(before) < 48 << 20);
    }
    assert!(served > 10 && told > 0, "{served} served, {told} told");
    // What did leave before can still be read, and behind it is the end.
    soon(async { while slow.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn the_largest_frames_pass_both_ways() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let mut hand = child.greeted(&leader).await;
    hand.send(&request(1, news(1_000_000))).await;
    assert!(matches!(soon(hand.next()).await, Some(Message::Reply { re: 1, result: Ok(_) })));
    // An answer that fits into no frame is an error, not the end of the link.
    hand.send(&request(2, news(2_000_000))).await;
    let Some(Message::Reply { re: 2, result: Err(error) }) = soon(hand.next()).await else { panic!("no reply") };
    assert_eq!(error.code, Code::TooLarge);
    let large = Ask::Renew { request: vec![1; 1_000_000].into(), names: vec![] };
    hand.send(&request(3, large)).await;
    assert!(matches!(soon(hand.next()).await, Some(Message::Reply { re: 3, .. })));
}

/// Vector F4.
#[tokio::test]
async fn truncated_wrong_and_deep_frames_end_their_link_with_the_reason_and_no_other() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let other = Agent::member(&area, "c2", "agent");
    other.follow(&leader);
    let deep = [&b"\x81\xa6notice\x81\xa5trust"[..], &[0x91; 10_000], b"\xc0"].concat();
    for value in [&b"\x81\xa6notice\x81"[..], b"\x81\xa4ping\xa1x", b"\x81\xa5nobody\x01", b"\xc1", b"", &deep] {
        let mut hand = child.greeted(&leader).await;
        hand.write(&[&u32::try_from(value.len()).unwrap().to_be_bytes(), value].concat()).await;
        assert_eq!(hand.closed().await, Code::BadFrame, "{} bytes", value.len());
        soon(other.ask_serial()).await.unwrap();
    }
    eventually(|| leader.net.counters().open == 1).await;
}

#[tokio::test]
async fn a_question_of_a_later_version_is_refused_and_the_link_lives_on() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let mut hand = child.greeted(&leader).await;
    let later = b"\x81\xa7request\x83\xa2id\x01\xa8deadline\x64\xa3ask\x81\xa5later\x81\xa1a\x01";
    hand.write(&[&u32::try_from(later.len()).unwrap().to_be_bytes(), &later[..]].concat()).await;
    let Some(Message::Reply { re: 1, result: Err(error) }) = soon(hand.next()).await else { panic!("no reply") };
    assert_eq!(error.code, Code::Version);
    hand.send(&request(2, news(1))).await;
    assert!(matches!(soon(hand.next()).await, Some(Message::Reply { re: 2, result: Ok(_) })));
}

#[tokio::test]
async fn a_thousand_half_open_handshakes_keep_nobody_out() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let mut half_open = vec![];
    for number in 0..1000 {
        let mut stream = TcpStream::connect(leader.address).await.unwrap();
        if number % 2 == 0 {
            // The head of a handshake record, and nothing more.
            stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        }
        half_open.push(stream);
        assert!(leader.net.counters().half_open <= 64);
    }
    child.follow(&leader);
    soon(child.ask_serial()).await.unwrap();
    let counters = leader.net.counters();
    assert!(counters.half_open <= 16, "{counters:?}");
    assert!(counters.refused[&Refusal::Crowded] >= 984, "{counters:?}");
    // The first ones were closed.
    let mut byte = [0];
    assert!(!matches!(soon(half_open[0].read(&mut byte)).await, Ok(1..)));
}

#[tokio::test]
async fn a_flood_of_newcomers_keeps_nobody_out() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let address = leader.address;
    let flood = tokio::spawn(async move {
        let mut held = std::collections::VecDeque::new();
        loop {
            held.push_back(TcpStream::connect(address).await.unwrap());
            if held.len() > 200 {
                held.pop_front();
            }
        }
    });
    eventually(|| leader.net.counters().accepted > 100).await;
    // This thread does the work of the flood, too.
    child.follow(&leader);
    let answered = soon(async {
        loop {
            if child.ask_serial().await.is_ok() {
                break;
            }
            tokio::task::yield_now().await;
        }
    });
    answered.await;
    flood.abort();
}
