//! No message that another agent can make up stops the consensus: each is refused, passed over or taken.

use std::time::Duration;

use mf2c_domain::area::standing::AreaPeer;
use proptest::prelude::*;
use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType, Snapshot};

use super::group::Group;
use super::guard;
use super::log::Log;
use super::roster::{Roster, Seat, SeatKind};
use super::settings::Settings;

const OWN: u64 = 1;

fn roster() -> Roster {
    let seat = |number: u64| {
        let id = format!("spiffe://d/area/a/agent/n{number}").parse().unwrap();
        Seat { number, peer: AreaPeer { id, address: "x:1".into() }, kind: SeatKind::Agent }
    };
    Roster { seats: (1..=3).map(seat).collect(), upper: None, retired: vec![], founded: 1 }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..12u64, 95..112u64, Just(u64::MAX), Just(1 << 61), any::<u64>()]
}

fn entry() -> impl Strategy<Value = Entry> {
    let data = prop_oneof![Just(vec![]), Just(roster().encode()), proptest::collection::vec(any::<u8>(), 0..20)];
    (number(), number(), 0..3usize, data).prop_map(|(index, term, kind, data)| {
        let mut entry = Entry { index, term, data: data.into(), ..Entry::default() };
        entry.set_entry_type([EntryType::EntryNormal, EntryType::EntryConfChange, EntryType::EntryConfChangeV2][kind]);
        entry
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let seats = || proptest::collection::vec(prop_oneof![0..5u64, any::<u64>()], 0..4);
    (number(), number(), seats(), seats(), seats(), any::<bool>()).prop_map(
        |(index, term, voters, learners, outgoing, good)| {
            let mut snapshot =
                Snapshot { data: if good { roster().encode() } else { vec![1] }.into(), ..Snapshot::default() };
            let meta = snapshot.mut_metadata();
            (meta.index, meta.term) = (index, term);
            let outgoing = if good { vec![] } else { outgoing };
            meta.set_conf_state(ConfState { voters, learners, voters_outgoing: outgoing, ..ConfState::default() });
            snapshot
        },
    )
}

prop_compose! {
    fn message()(
        kind in 0..19usize, from in 2..5u64, term in number(), log_term in number(), index in number(), commit in number(),
        commit_term in number(), reject_hint in number(), reject in any::<bool>(), transfer in any::<bool>(),
        mut entries in proptest::collection::vec(entry(), 0..4), snapshot in snapshot(), follow in any::<bool>(),
    ) -> Message {
        let mut message = Message { from, to: OWN, term, log_term, index, commit, commit_term, reject_hint, reject, ..Message::default() };
        let kinds = [
            MessageType::MsgHup, MessageType::MsgBeat, MessageType::MsgPropose, MessageType::MsgAppend,
            MessageType::MsgAppendResponse, MessageType::MsgRequestVote, MessageType::MsgRequestVoteResponse,
            MessageType::MsgSnapshot, MessageType::MsgHeartbeat, MessageType::MsgHeartbeatResponse,
            MessageType::MsgUnreachable, MessageType::MsgSnapStatus, MessageType::MsgCheckQuorum,
            MessageType::MsgTransferLeader, MessageType::MsgTimeoutNow, MessageType::MsgReadIndex,
            MessageType::MsgReadIndexResp, MessageType::MsgRequestPreVote, MessageType::MsgRequestPreVoteResponse,
        ];
        message.set_msg_type(kinds[kind]);
        if transfer { message.context = b"CampaignTransfer".to_vec().into(); }
        if follow {
            // As an honest leader numbers them.
            for (at, entry) in entries.iter_mut().enumerate() {
                entry.index = index.wrapping_add(at as u64 + 1);
                entry.term = log_term;
            }
        }
        message.set_entries(entries.into());
        message.set_snapshot(snapshot);
        message
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_message_of_a_voter_makes_the_consensus_panic(messages in proptest::collection::vec(message(), 1..24), elect in any::<bool>()) {
        let settings = Settings::default();
        let mut now = Duration::from_secs(100);
        let log = Log::begin(100, 4, vec![1, 2, 3], roster());
        let mut group = Group::new(OWN, log, false, &settings, now).unwrap();
        if elect {
            // It becomes the leader: the two votes of another are true ones.
            now += Duration::from_secs(10);
            group.tick(now);
            for (kind, term) in [(MessageType::MsgRequestPreVoteResponse, 5), (MessageType::MsgRequestVoteResponse, 5)] {
                if let Some(keep) = group.pump(now).keep { group.kept(keep); }
                let mut vote = Message { from: 2, to: OWN, term, ..Message::default() };
                vote.set_msg_type(kind);
                group.step(vote, 0, now).unwrap();
            }
            prop_assert!(group.elected());
        }
        for message in messages {
            now += Duration::from_millis(700);
            let message = guard::decode(&message.write_to_bytes().unwrap()).unwrap();
            if guard::form(&message, OWN).is_ok() {
                let _ = group.step(message, 0, now);
            }
            group.tick(now);
            let outcome = group.pump(now);
            if let Some(keep) = outcome.keep { group.kept(keep); }
            prop_assert!(Log::restore(&group.to_keep()).is_some());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = guard::decode(&bytes).map(|message| guard::form(&message, OWN));
    }
}
