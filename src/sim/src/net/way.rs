//! One direction of a connection: bytes on their way, each with the instant at which it arrives.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::dice::Dice;

/// Bytes that may be under way or wait for the reader: what sockets of Linux hold without tuning.
pub(super) const WINDOW: usize = 256 << 10;
/// Bytes of one packet.
const SEGMENT: usize = 1448;
/// The first timeout of a retransmission; each further one doubles it (RFC 6298 with Linux's minimum).
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
/// The longest.
const LAST_TIMEOUT: Duration = Duration::from_secs(120);

/// What the path is like at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) latency: Duration,
    /// The most that is added to it.
    pub(super) jitter: Duration,
    /// The probability that a packet is lost.
    pub(super) loss: f64,
    /// Bytes a second; 0 is without bound.
    pub(super) bandwidth: u64,
    pub(super) blocked: bool,
}

/// What comes out at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Bytes(usize),
    /// No more comes.
    End,
    /// The connection is broken.
    Reset,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Way {
    bytes: VecDeque<u8>,
    /// What is under way, in order; without an instant it is held back.
    marks: VecDeque<(Option<Instant>, Mark)>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// Nothing arrives before what was sent earlier.
    last: Instant,
    /// The line is taken until then.
    busy: Instant,
    /// Since when bytes are held back.
    held: Option<Instant>,
    /// No more is sent.
    ended: bool,
    /// From when on a slow reader takes more.
    pub(super) rest: Instant,
    /// The reader is gone.
    pub(super) abandoned: bool,
    dice: Dice,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// So many bytes, which were put into its buffer.
    Taken(usize),
    /// Nothing before this instant.
    Later(Instant),
    /// Nothing is under way.
    Nothing,
    /// The other end has closed.
    End,
    /// The connection is broken.
    Reset,
}

impl Way {
    pub(super) fn new(now: Instant, dice: Dice) -> Self {
        let (bytes, marks) = (VecDeque::new(), VecDeque::new());
        let (reader, writer, held) = (None, None, None);
        Self {
            bytes,
            marks,
            reader,
            writer,
            last: now,
            busy: now,
            held,
            ended: false,
            rest: now,
            abandoned: false,
            dice,
        }
    }

    /// How many bytes can be sent now.
    pub(super) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.bytes.len())
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether something is held back.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether bytes are there or under way that nobody has read.
    pub(super) fn is_unread(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Whether the reader knows that the connection is broken.
    pub(super) fn is_reset(&self, now: Instant) -> bool {
        matches!(self.marks.front(), Some((Some(due), Mark::Reset)) if *due <= now)
    }

    /// Takes bytes from the sender; they are within [`Way::room`].
    pub(super) fn send(&mut self, bytes: &[u8], path: Path, now: Instant) {
        if self.abandoned {
            // It is not kept, but its sender tries again and again.
            if path.blocked {
                self.held.get_or_insert(now);
            }
            return;
        }
        self.bytes.extend(bytes);
        self.push(Mark::Bytes(bytes.len()), bytes.len(), path, now);
    }

    /// The sender closes, or breaks the connection.
    pub(super) fn end(&mut self, reset: bool, path: Path, now: Instant) {
        if !self.ended {
            self.ended = true;
            self.push(if reset { Mark::Reset } else { Mark::End }, 1, path, now);
        }
    }

    fn push(&mut self, mark: Mark, length: usize, path: Path, now: Instant) {
        if path.blocked || self.held.is_some() {
            self.held.get_or_insert(now);
            self.add(None, mark);
            return;
        }
        let at = self.arrival(length, path, now);
        self.add(Some(at), mark);
    }

    /// What arrives at the same instant is one mark.
    fn add(&mut self, at: Option<Instant>, mark: Mark) {
        if let (Mark::Bytes(more), Some((last, Mark::Bytes(length)))) = (mark, self.marks.back_mut())
            && *last == at
        {
            *length += more;
        } else {
            self.marks.push_back((at, mark));
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// When bytes arrive that are sent now.
    fn arrival(&mut self, length: usize, path: Path, now: Instant) -> Instant {
        let mut leaves = now.max(self.busy);
        if let Some(nanos) = (length as u64 * 1_000_000_000).checked_div(path.bandwidth) {
            leaves += Duration::from_nanos(nanos);
            self.busy = leaves;
        }
        let mut takes = path.latency + path.jitter.mul_f64(if path.jitter.is_zero() { 0.0 } else { self.dice.unit() });
        if path.loss > 0.0 {
            takes += self.repeated(length.div_ceil(SEGMENT), path);
        }
        // The timers of the runtime know milliseconds.
        let takes = Duration::from_millis(takes.as_micros().div_ceil(1000) as u64);
        self.last = self.last.max(leaves + takes);
        self.last
    }

    /// How long the loss of packets holds up what was sent: a probe after two round trips (RFC 8985, 7.2), then timeouts.
    fn repeated(&mut self, packets: usize, path: Path) -> Duration {
        let mut longest = Duration::ZERO;
        for _ in 0..packets {
            let mut delay = Duration::ZERO;
            let mut pause = (path.latency * 4).max(Duration::from_millis(10));
            let mut timeout = FIRST_TIMEOUT;
            while delay < LAST_TIMEOUT && self.dice.hits(path.loss) {
                delay += pause;
                pause = timeout;
                timeout = (timeout * 2).min(LAST_TIMEOUT);
            }
            longest = longest.max(delay);
        }
        longest
    }

    /// The path is free again: what was held back is sent when the next timeout of its sender is due.
    pub(super) fn release(&mut self, path: Path, now: Instant) {
        let Some(held) = self.held.take() else { return };
        let (mut at, mut timeout) = (held + FIRST_TIMEOUT, FIRST_TIMEOUT);
        while at < now {
            timeout = (timeout * 2).min(LAST_TIMEOUT);
            at += timeout;
        }
        let waiting: usize = self.marks.iter().filter(|(due, _)| due.is_none()).map(|(_, mark)| mark.length()).sum();
        let arrives = self.arrival(waiting, path, at);
        for (due, _) in self.marks.iter_mut().filter(|(due, _)| due.is_none()) {
            *due = Some(arrives);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Breaks the connection for the reader, whatever is under way.
    pub(super) fn break_off(&mut self, at: Instant) {
        self.bytes.clear();
        self.marks.clear();
        self.held = None;
        self.ended = true;
        self.marks.push_back((Some(at), Mark::Reset));
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Takes what has arrived, `most` bytes of it.
    pub(super) fn take(&mut self, most: usize, now: Instant, mut put: impl FnMut(&[u8])) -> Found {
        let Some((due, mark)) = self.marks.front_mut() else { return Found::Nothing };
        match *due {
            None => return Found::Nothing,
            Some(due) if due > now => return Found::Later(due),
            Some(_) => {}
        }
        let length = match mark {
            Mark::End => return Found::End,
            Mark::Reset => return Found::Reset,
            Mark::Bytes(length) => length,
        };
        let count = most.min(*length);
        let (front, back) = self.bytes.as_slices();
        let from_front = count.min(front.len());
        put(front.get(..from_front).unwrap_or_default());
        put(back.get(..count - from_front).unwrap_or_default());
        self.bytes.drain(..count);
        *length -= count;
        if *length == 0 {
            self.marks.pop_front();
        }
        if self.bytes.is_empty() && self.bytes.capacity() > 4096 {
            // Most connections are idle most of the time.
            self.bytes = VecDeque::new();
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Found::Taken(count)
    }
}

impl Mark {
    fn length(self) -> usize {
        match self {
            Self::Bytes(length) => length,
            Self::End | Self::Reset => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Path = Path {
        latency: Duration::from_millis(5),
        jitter: Duration::from_millis(20),
        loss: 0.0,
        bandwidth: 0,
        blocked: false,
    };

    fn drain(way: &mut Way, now: Instant) -> Vec<u8> {
        let mut all = vec![];
        while let Found::Taken(_) = way.take(7, now, |bytes| all.extend(bytes)) {}
        all
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_in_order_whatever_jitter_and_loss_do_to_packets() {
        let now = Instant::now();
        let mut way = Way::new(now, Dice::new(1, "way", 0));
        let path = Path { loss: 0.3, ..FREE };
        let sent: Vec<u8> = (0..200).collect();
        for chunk in sent.chunks(3) {
            way.send(chunk, path, now);
        }
        assert!(matches!(way.take(10, now, |_| ()), Found::Later(due) if due >= now + FREE.latency));
        assert_eq!(drain(&mut way, now + Duration::from_secs(500)), sent);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_into_a_cut_comes_at_the_next_timeout_after_it_heals() {
        let now = Instant::now();
        let mut way = Way::new(now, Dice::new(1, "way", 0));
        let still = Path { jitter: Duration::ZERO, ..FREE };
        way.send(b"cut", Path { blocked: true, ..still }, now);
        assert_eq!(way.take(10, now + Duration::from_secs(60), |_| ()), Found::Nothing);
        // Timeouts at 0.2, 0.6, 1.4, 3 s after it was sent.
        let healed = now + Duration::from_secs(2);
        way.release(still, healed);
        assert_eq!(way.take(10, healed, |_| ()), Found::Later(now + Duration::from_millis(3005)));
        assert_eq!(drain(&mut way, now + Duration::from_secs(4)), b"cut");
    }

    #[tokio::test(start_paused = true)]
    async fn a_narrow_line_takes_its_time() {
        let now = Instant::now();
        let mut way = Way::new(now, Dice::new(1, "way", 0));
        let path = Path { jitter: Duration::ZERO, bandwidth: 1000, ..FREE };
        way.send(&[0; 500], path, now);
        way.send(&[0; 500], path, now);
        assert_eq!(way.take(1, now, |_| ()), Found::Later(now + Duration::from_millis(505)));
        assert_eq!(drain(&mut way, now + Duration::from_millis(1004)).len(), 500);
        assert_eq!(drain(&mut way, now + Duration::from_millis(1005)).len(), 500);
    }
}
