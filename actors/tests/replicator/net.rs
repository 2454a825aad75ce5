//! A network in memory: frames of the real codec, delivered in order after a delay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::leadership::{LinkClosed, LinkOpened};
use mf2c_actors::ports::{AreaNet, Introduction, LinkAnswer, LinkError, OpenLink, SendError};
use mf2c_actors::replicator::{AnswerHolds, AnswerProposal, HeardStream, Replicator};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_fabric::replication::StreamMessage;
use mf2c_fabric::wire::{Answer, Ask, Message, Notice, WireError, decode, encode};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What a link holds before it is full, in bytes.
const QUEUE: usize = 512 << 10;
const MAX_FRAME: u32 = 1 << 20;

/// One end of a link.
pub(crate) struct End {
    pub(crate) open: OpenLink,
    /// The node at this end, and the number of the link at the other.
    pub(crate) replicator: Addr<Replicator>,
}

/// What one direction of a link carries.
pub(crate) struct Pipe {
    queue: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
pub(crate) struct Wire {
    ends: Mutex<BTreeMap<u64, (End, u64)>>,
    /// By the number of the sender's end.
    pipes: Mutex<BTreeMap<u64, Pipe>>,
    next: AtomicU64,
    /// Frames and bytes of streams so far.
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Whether everything is delivered twice.
    pub(crate) twice: AtomicBool,
    /// What was sent on streams, if somebody wants to know.
    pub(crate) tap: Mutex<Option<Vec<(u64, StreamMessage)>>>,
    /// Ends whose reader takes nothing.
    stopped: Arc<Mutex<BTreeMap<u64, bool>>>,
    /// The most that has waited on one link, in bytes.
    pub(crate) most_waiting: Mutex<usize>,
    /// Why links were closed by an agent.
    pub(crate) closed: Mutex<Vec<WireError>>,
}

impl Wire {
    /// A link between two nodes; the number of each end.
    pub(crate) async fn connect(self: &Arc<Self>, mut a: End, mut b: End, delay: Duration) -> (u64, u64) {
        let first = self.next.fetch_add(2, Ordering::SeqCst) + 1;
        let (at_a, at_b) = (first, first + 1);
        (a.open.number, b.open.number) = (at_a, at_b);
        self.pipe(at_a, at_b, b.replicator.clone(), delay);
        self.pipe(at_b, at_a, a.replicator.clone(), delay);
        let news = [(a.replicator.clone(), a.open.clone()), (b.replicator.clone(), b.open.clone())];
        self.ends.lock().extend([(at_a, (a, at_b)), (at_b, (b, at_a))]);
        for (replicator, open) in news {
            let _ = replicator.send(LinkOpened(open)).await;
        }
        (at_a, at_b)
    }

    fn pipe(self: &Arc<Self>, from: u64, to: u64, replicator: Addr<Replicator>, delay: Duration) {
        let (queue, mut frames) = mpsc::unbounded_channel::<Vec<u8>>();
        let waiting = Arc::new(Mutex::new(0));
        let (wire, held) = (Arc::clone(self), Arc::clone(&waiting));
        let task = actix::spawn(async move {
            while let Some(frame) = frames.recv().await {
                tokio::time::sleep(delay).await;
                while wire.stopped.lock().get(&to) == Some(&true) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                *held.lock() -= frame.len();
                let Message::Notice(Notice::Stream(message)) = decode(&frame[4..]).unwrap() else { continue };
                let again = wire.twice.load(Ordering::SeqCst).then(|| message.clone());
                for message in again.into_iter().chain([message]) {
                    let _ = replicator.send(HeardStream { link: to, message }).await;
                }
            }
        });
        self.pipes.lock().insert(from, Pipe { queue, waiting, task });
    }

    /// Stops and starts the reader at this end.
    pub(crate) fn stop_reading(&self, end: u64, stopped: bool) {
        self.stopped.lock().insert(end, stopped);
    }

    /// Cuts a link by the number of either end; what was on its way is lost.
    pub(crate) fn cut(&self, end: u64) {
        let Some((one, other)) = self.ends.lock().remove(&end) else { return };
        let two = self.ends.lock().remove(&other);
        for number in [end, other] {
            if let Some(pipe) = self.pipes.lock().remove(&number) {
                pipe.task.abort();
            }
        }
        let ends = [(end, Some(one)), (other, two.map(|(end, _)| end))];
        for (number, gone) in ends {
            if let Some(gone) = gone {
                actix::spawn(async move { gone.replicator.send(LinkClosed(number)).await });
            }
        }
    }

    pub(crate) fn is_open(&self, end: u64) -> bool {
        self.ends.lock().contains_key(&end)
    }

    fn send(&self, link: u64, notice: &Notice) -> Result<(), SendError> {
        let frame = encode(&Message::Notice(notice.clone()), MAX_FRAME).map_err(|_| SendError::TooLarge(0))?;
        let pipes = self.pipes.lock();
        let pipe = pipes.get(&link).ok_or(SendError::Gone)?;
        let mut waiting = pipe.waiting.lock();
        if *waiting > QUEUE {
            return Err(SendError::Full);
        }
        *waiting += frame.len();
        let mut most = self.most_waiting.lock();
        *most = (*most).max(*waiting);
        if let (Some(tap), Notice::Stream(message)) = (&mut *self.tap.lock(), notice) {
            tap.push((link, message.clone()));
        }
        self.frames.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(frame.len() as u64, Ordering::SeqCst);
        pipe.queue.send(frame).map_err(|_| SendError::Gone)
    }
}

/// A node's view of the network.
pub(crate) struct NodeNet(pub(crate) Arc<Wire>);

impl AreaNet for NodeNet {
    fn keep(&self, _: Vec<AreaPeer>) {}

    fn introduce(&self, _: Introduction) {}

    fn send(&self, link: u64, notice: &Notice) -> Result<(), SendError> {
        self.0.send(link, notice)
    }

    fn ask_over(&self, link: u64, ask: Ask, within: Duration) -> LinkAnswer<Answer> {
        let gone = || LinkError::Unreachable { address: "peer".into(), reason: "the link has ended".into() };
        let there = {
            let ends = self.0.ends.lock();
            ends.get(&link).and_then(|(end, other)| {
                let here = ends.get(other)?.0.open.peer.clone();
                let _ = end;
                Some((ends.get(other)?.0.replicator.clone(), here))
            })
        };
        Box::pin(async move {
            let (replicator, link_peer) = there.ok_or_else(gone)?;
            let answered = async {
                match ask {
                    Ask::Propose(proposed) => replicator.send(AnswerProposal { link_peer, proposed }).await.ok(),
                    Ask::Holds { origins } => replicator.send(AnswerHolds(origins)).await.ok(),
                    _ => None,
                }
            };
            match tokio::time::timeout(within, answered).await {
                Ok(Some(answer)) => Ok(answer?),
                _ => Err(gone()),
            }
        })
    }

    fn close(&self, link: u64, why: WireError) {
        self.0.closed.lock().push(why);
        self.0.cut(link);
    }

    fn hint(&self, _: &SpiffeId, _: String) {}
}
