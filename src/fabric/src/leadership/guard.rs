//! Which messages of the consensus are stepped at all. The `raft` crate trusts its peers and panics when one contradicts
//! what it has agreed on; whatever would make it do so is refused here (checked against raft 0.7.0).

use protobuf::Message as _;
use raft::eraftpb::{ConfState, Message, MessageType};
use raft::{INVALID_ID, RawNode};

use super::log::Log;
use super::roster::Roster;

/// The longest encoded message, in bytes: a whole state with all seats is far shorter.
const LONGEST: usize = 64 << 10;
/// Terms and indexes stay below, so that nothing that is added to them overflows.
const HIGHEST: u64 = 1 << 62;
/// The most entries in one message.
const MOST_ENTRIES: usize = 256;
/// A transfer of the lead, as the crate marks its votes.
const TRANSFER: &[u8] = b"CampaignTransfer";

/// Reads a message.
pub(super) fn decode(bytes: &[u8]) -> Result<Message, &'static str> {
    if bytes.len() > LONGEST {
        return Err("a message of more than 64 KiB");
    }
    Message::parse_from_bytes(bytes).map_err(|_| "no message of the consensus")
}

/// Whether a message comes from one who leads: what it says is to be followed.
pub(super) fn from_leader(message: &Message) -> bool {
    use MessageType::{MsgAppend, MsgHeartbeat, MsgSnapshot};
    matches!(message.get_msg_type(), MsgAppend | MsgHeartbeat | MsgSnapshot)
}

/// Whether it asks for a vote.
pub(super) fn asks_vote(message: &Message) -> bool {
    matches!(message.get_msg_type(), MessageType::MsgRequestVote | MessageType::MsgRequestPreVote)
}

/// Whether the leader itself has asked for the vote to be given.
pub(super) fn is_transfer(message: &Message) -> bool {
    message.get_msg_type() == MessageType::MsgRequestVote && message.get_context() == TRANSFER
}

/// What can be said of a message without the state that it meets.
pub(super) fn form(message: &Message, own: u64) -> Result<(), &'static str> {
    use MessageType::{
        MsgAppend, MsgAppendResponse, MsgHeartbeat, MsgHeartbeatResponse, MsgRequestPreVote, MsgRequestPreVoteResponse,
        MsgRequestVote, MsgRequestVoteResponse, MsgSnapshot, MsgTimeoutNow,
    };
    let known = matches!(
        message.get_msg_type(),
        MsgAppend
            | MsgAppendResponse
            | MsgHeartbeat
            | MsgHeartbeatResponse
            | MsgRequestPreVote
            | MsgRequestPreVoteResponse
            | MsgRequestVote
            | MsgRequestVoteResponse
            | MsgSnapshot
            | MsgTimeoutNow
    );
    if !known {
        return Err("a message that agents do not send each other");
    }
    if message.to != own || message.from == INVALID_ID || message.from == own {
        return Err("a message for somebody else");
    }
    let numbers = [message.index, message.log_term, message.commit, message.commit_term, message.reject_hint];
    if message.term == 0 || message.term >= HIGHEST || numbers.iter().any(|number| *number >= HIGHEST) {
        return Err("a term or an index out of all bounds");
    }
    if message.get_entries().len() > MOST_ENTRIES || message.request_snapshot != 0 {
        return Err("more than is ever sent");
    }
    if message.get_msg_type() != MsgRequestVote && !message.get_context().is_empty() {
        return Err("a question that agents do not ask");
    }
    Ok(())
}

/// Whether a message agrees with what is known here.
pub(super) fn agrees(message: &Message, raw: &RawNode<Log>) -> Result<(), &'static str> {
    let log = &raw.raft.raft_log;
    match message.get_msg_type() {
        MessageType::MsgAppend => appended(message, raw),
        MessageType::MsgHeartbeat if message.commit > log.last_index() => Err("it agrees on what is not here"),
        MessageType::MsgSnapshot => whole(message, raw.raft.id),
        MessageType::MsgAppendResponse if message.index > log.last_index() && !message.reject => {
            Err("it has what was never sent")
        }
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse
            if !raw.raft.prs().conf().voters().contains(message.from) =>
        {
            Err("a vote of one who has none")
        }
        MessageType::MsgTimeoutNow if message.from != raw.raft.leader_id || message.term != raw.raft.term => {
            Err("only the leader hands over")
        }
        _ => Ok(()),
    }
}

fn appended(message: &Message, raw: &RawNode<Log>) -> Result<(), &'static str> {
    let log = &raw.raft.raft_log;
    let agreed = log.term(log.committed).unwrap_or(0);
    // What is agreed on is in every leader's log.
    if message.index >= log.committed && message.log_term < agreed {
        return Err("its log lacks what was agreed on");
    }
    let (mut index, mut term) = (message.index, message.log_term);
    for entry in message.get_entries() {
        if entry.index != index + 1 || entry.term < term || entry.term > message.term {
            return Err("entries that do not follow on each other");
        }
        (index, term) = (entry.index, entry.term);
        if index <= log.committed && message.index >= log.committed {
            return Err("an entry in place of one that was agreed on");
        }
    }
    Ok(())
}

/// Whether a whole state is one that an agent would send.
fn whole(message: &Message, own: u64) -> Result<(), &'static str> {
    let snapshot = message.get_snapshot();
    let meta = snapshot.get_metadata();
    if meta.index == 0 || meta.index >= HIGHEST || meta.term == 0 || meta.term > message.term {
        return Err("a state out of all bounds");
    }
    let conf: &ConfState = meta.get_conf_state();
    let mut seats: Vec<u64> = conf.voters.iter().chain(&conf.learners).copied().collect();
    let (count, has_me) = (seats.len(), seats.contains(&own));
    seats.sort_unstable();
    seats.dedup();
    let plain = conf.voters_outgoing.is_empty() && conf.learners_next.is_empty() && !conf.auto_leave;
    if conf.voters.is_empty() || !plain || seats.len() != count || seats.contains(&INVALID_ID) || !has_me {
        return Err("a state with seats that cannot be");
    }
    Roster::decode(snapshot.get_data()).map(drop).ok_or("a state without a roster")
}
