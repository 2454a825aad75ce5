//! Vectors F1, F2 and F4, and the laws of frames.

use mf2c_domain::area::role::MemberRole;
use proptest::prelude::*;

use super::*;
use crate::wire::{Answer, Ask, AuthorityTrust, Bytes, Enrolled, Hello, Notice, Proof, TrustNews};

const MAX: u32 = 1 << 20;

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..60).prop_map(Bytes)
}

fn news() -> impl Strategy<Value = TrustNews> {
    let lists = prop::collection::vec(("[0-9a-f]{1,40}", any::<u64>()), 0..4);
    (any::<u64>(), lists).prop_map(|(bundle, lists)| TrustNews { bundle, lists })
}

fn trust() -> impl Strategy<Value = AuthorityTrust> {
    let several = || prop::collection::vec(bytes(), 0..3);
    (any::<u64>(), several(), several(), several()).prop_map(|(sequence, roots, intermediates, lists)| AuthorityTrust {
        sequence,
        roots,
        intermediates,
        lists,
    })
}

fn role() -> impl Strategy<Value = MemberRole> {
    prop_oneof![Just(MemberRole::Agent), Just(MemberRole::Leader)]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("\\PC{0,20}", 0..3)
}

fn ask() -> impl Strategy<Value = Ask> {
    let proof = (bytes(), bytes()).prop_map(|(certificate, signature)| Proof { certificate, signature });
    let enrol = (("\\PC{0,16}", bytes(), bytes()), role(), "\\PC{0,130}", prop::option::of("\\PC{0,63}"), names());
    prop_oneof![
        Just(Ask::Bundle),
        enrol.prop_map(|((token, secret, request), role, device, area, names)| Ask::Enrol {
            token,
            secret,
            request,
            role,
            device,
            area,
            names
        }),
        (bytes(), names()).prop_map(|(request, names)| Ask::Renew { request, names }),
        (bytes(), names(), proof).prop_map(|(request, names, proof)| Ask::RenewExpired { request, names, proof }),
        bytes().prop_map(|request| Ask::CertifyArea { request }),
        (bytes(), "\\PC{0,40}", any::<u64>()).prop_map(|(request, name, ttl)| Ask::CertifyUser { request, name, ttl }),
        news().prop_map(|have| Ask::Trust { have }),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let enrolled = (bytes(), trust(), "\\PC{0,80}", role());
    prop_oneof![
        trust().prop_map(Answer::Trust),
        enrolled.prop_map(|(certificate, trust, leader, role)| {
            Answer::Enrolled(Enrolled { certificate, trust, leader, role })
        }),
        prop::collection::vec(bytes(), 0..3).prop_map(|certificates| Answer::Area { certificates }),
        bytes().prop_map(|certificate| Answer::User { certificate }),
    ]
}

fn refusal() -> impl Strategy<Value = WireError> {
    let code = prop_oneof![Just(Code::Busy), Just(Code::TokenUsed), Just(Code::BadFrame), Just(Code::ClockSkew)];
    (code, "\\PC{0,60}", prop::option::of(any::<u64>())).prop_map(|(code, msg, retry_after)| WireError {
        code,
        msg,
        retry_after,
    })
}

fn hello() -> impl Strategy<Value = Hello> {
    let who = ("\\PC{0,80}", "\\PC{0,63}", "\\PC{0,10}", names());
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>());
    (prop::collection::vec(any::<u16>(), 0..4), who, numbers, news()).prop_map(|(v, who, numbers, trust)| {
        let (node, area, role, features) = who;
        let (term, incarnation, clock, max_frame) = numbers;
        Hello {
            v,
            node,
            area,
            role,
            term,
            incarnation,
            boot: 0,
            origin: vec![].into(),
            listen: String::new(),
            clock,
            features,
            max_frame,
            trust,
        }
    })
}

fn message() -> impl Strategy<Value = Message> {
    let result = prop_oneof![answer().prop_map(Ok), refusal().prop_map(Err)];
    prop_oneof![
        hello().prop_map(Message::Hello),
        (any::<u64>(), any::<u32>(), ask()).prop_map(|(id, deadline, ask)| Message::Request { id, deadline, ask }),
        (any::<u64>(), result).prop_map(|(re, result)| Message::Reply { re, result }),
        trust().prop_map(|trust| Message::Notice(Notice::Trust(trust))),
        any::<u64>().prop_map(Message::Ping),
        any::<u64>().prop_map(Message::Pong),
        refusal().prop_map(Message::Close),
    ]
}

fn all(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<Message>, WireError> {
    let mut found = vec![];
    for piece in pieces {
        decoder.feed(piece);
        while let Some(message) = decoder.next()? {
            found.push(message);
        }
    }
    Ok(found)
}

#[test]
fn a_length_of_four_billion_is_refused_before_anything_is_made_for_it() {
    let mut decoder = Decoder::new(MAX);
    decoder.feed(&[0xFF; 4]);
    assert_eq!(decoder.next().unwrap_err().code, Code::TooLarge);
    assert!(decoder.capacity() < 64);
    decoder.feed(&vec![0; 1 << 16]);
    assert_eq!(decoder.next().unwrap_err().code, Code::TooLarge);
    assert!(decoder.capacity() < 64, "nothing is kept behind a bad frame");
}

#[test]
fn memory_grows_with_what_has_arrived_and_is_given_back() {
    let mut decoder = Decoder::new(MAX);
    decoder.feed(&MAX.to_be_bytes());
    decoder.feed(&[0x81; 1000]);
    assert_eq!(decoder.next(), Ok(None));
    assert!(decoder.capacity() < 4096 && decoder.is_inside());

    let large =
        Message::Notice(Notice::Trust(AuthorityTrust { lists: vec![vec![1; 200_000].into()], ..Default::default() }));
    let mut decoder = Decoder::new(MAX);
    decoder.feed(&encode(&large, MAX).unwrap());
    assert_eq!(decoder.next(), Ok(Some(large)));
    assert_eq!(decoder.capacity(), 0);
    assert!(!decoder.is_inside());
}

#[test]
fn a_frame_of_exactly_the_bound_is_taken_and_one_byte_more_is_not() {
    // A close with a text of `n` bytes has `n` bytes and the same frame around it.
    let close = |n: usize| Message::Close(WireError::new(Code::Busy, "x".repeat(n)));
    let around = encode(&close(1000), MAX).unwrap().len() - PREFIX - 1000;
    let exact = close(5000 - around);
    let frame = encode(&exact, 5000).unwrap();
    assert_eq!(frame.len(), 5000 + PREFIX);
    assert_eq!(all(&mut Decoder::new(5000), &[&frame]), Ok(vec![exact]));
    assert_eq!(encode(&close(5001 - around), 5000).unwrap_err().code, Code::TooLarge);
    let larger = encode(&close(5001 - around), MAX).unwrap();
    assert_eq!(all(&mut Decoder::new(5000), &[&larger]).unwrap_err().code, Code::TooLarge);
}

#[test]
fn truncated_wrong_and_deep_values_are_bad_frames() {
    let frame = encode(&Message::Close(WireError::new(Code::Busy, "later")), MAX).unwrap();
    let value = &frame[PREFIX..];
    let deep = |marker: u8| [&[0x81, 0xA4][..], b"ping", &vec![marker; 10_000]].concat();
    let unknown_field = [&b"\x81\xa5hello\x81\xa1x"[..], &vec![0x91; 10_000]].concat();
    let two = [value, value].concat();
    let cases: [(&str, &[u8]); 10] = [
        ("truncated", &value[..value.len() - 1]),
        ("trailing", &two),
        ("a list", &[0x91, 0x01]),
        ("a number", &[0x2A]),
        ("not MessagePack", &[0xC1]),
        ("wrong type", b"\x81\xa4ping\xa3abc"),
        ("an unknown message", b"\x81\xa4pang\x01"),
        ("lists in lists", &deep(0x91)),
        ("maps in maps", &deep(0x81)),
        ("deep in a field that nobody knows", &unknown_field),
    ];
    for (what, value) in cases {
        assert_eq!(decode(value).unwrap_err().code, Code::BadFrame, "{what}");
    }
    assert_eq!(all(&mut Decoder::new(MAX), &[&[0; 4]]).unwrap_err().code, Code::BadFrame, "empty");
    // A list that announces four billion entries, and text that announces four billion bytes.
    for value in [&b"\x81\xa5hello\x81\xa1v\xdd\xff\xff\xff\xff"[..], b"\x81\xa5hello\x81\xa4node\xdb\xff\xff\xff\xff"]
    {
        assert_eq!(decode(value).unwrap_err().code, Code::BadFrame);
    }
}

#[test]
fn fields_notices_and_questions_of_later_versions_are_passed_over() {
    let hello = Hello {
        v: vec![1],
        node: "spiffe://d/area/a/agent/x".into(),
        area: "a".into(),
        role: "agent".into(),
        term: 0,
        incarnation: 0,
        boot: 0,
        origin: vec![].into(),
        listen: String::new(),
        clock: 7,
        features: vec![],
        max_frame: MAX,
        trust: TrustNews::default(),
    };
    let frame = encode(&Message::Hello(hello.clone()), MAX).unwrap();
    // {"hello": {.. 13 fields ..}}: one field more.
    let mut value = frame[PREFIX..].to_vec();
    assert_eq!(value[7], 0x8D);
    value[7] = 0x8E;
    value.extend_from_slice(b"\xa5later\x92\x01\x81\xa1a\xc0");
    assert_eq!(decode(&value), Ok(Message::Hello(hello)));
    for notice in [&b"\x81\xa6notice\x81\xa5later\x81\xa1a\x01"[..], b"\x81\xa6notice\x81\xa5later\x07"] {
        assert_eq!(decode(notice), Ok(Message::Notice(Notice::Unknown)));
    }
    for ask in [&b"\x81\xa5later\x81\xa1a\x01"[..], b"\x81\xa5later\x92\x07\xc0", b"\x81\xa7unknown\xc0"] {
        let frame = [b"\x81\xa7request\x83\xa2id\x07\xa8deadline\x09\xa3ask", ask].concat();
        assert_eq!(decode(&frame), Ok(Message::Request { id: 7, deadline: 9, ask: Ask::Unknown }));
    }
    assert_eq!(
        decode(b"\x81\xa5close\x82\xa4code\xa5later\xa3msg\xa0"),
        Ok(Message::Close(WireError::new(Code::Unknown, "")))
    );
}

proptest! {
    #[test]
    fn every_message_comes_back(message in message()) {
        let frame = encode(&message, MAX).unwrap();
        prop_assert_eq!(all(&mut Decoder::new(MAX), &[&frame]), Ok(vec![message]));
    }

    #[test]
    fn split_anywhere_it_is_the_same(messages in prop::collection::vec(message(), 1..4), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let stream: Vec<u8> = messages.iter().flat_map(|message| encode(message, MAX).unwrap()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect();
        prop_assert_eq!(all(&mut Decoder::new(MAX), &pieces), Ok(messages));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let mut decoder = Decoder::new(150);
        let _ = all(&mut decoder, &[&bytes]);
        prop_assert!(decoder.capacity() <= 512);
    }

    #[test]
    fn a_changed_byte_makes_no_panic(message in message(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut frame = encode(&message, MAX).unwrap();
        let at = at.index(frame.len());
        frame[at] = to;
        let _ = all(&mut Decoder::new(MAX), &[&frame]);
    }

    #[test]
    fn what_is_longer_than_the_bound_is_not_sent(message in message(), max in 0u32..300) {
        match encode(&message, max) {
            Ok(frame) => prop_assert!(frame.len() <= PREFIX + max as usize),
            Err(error) => prop_assert_eq!(error.code, Code::TooLarge),
        }
    }
}
