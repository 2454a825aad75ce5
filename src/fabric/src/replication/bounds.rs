//! The bounds of a stream.

use std::time::Duration;

/// The largest document, in bytes of JSON: what a store takes (`mf2c_store::MAX_DOCUMENT_BYTES`).
pub const LARGEST_DOCUMENT: usize = 4 << 20;
/// The most origins of one offer.
pub const MOST_ORIGINS: usize = 65_536;
/// Origins in one message.
pub const ORIGINS_A_MESSAGE: usize = 2048;
/// Words in a dictionary before it begins anew.
pub const DICTIONARY: usize = 16_384;
/// Documents that a sink may ask for as a whole when it follows anew; where it is more, all come whole.
pub const MOST_WHOLE: usize = 64;
/// Documents of one stream that are passed over because the store refuses them; where it is more, the origin is refused.
pub const MOST_REFUSED: usize = 1024;
/// How deep a value in a patch may be nested; a document with deeper ones goes whole. A frame's own depth is bounded.
pub const DEEPEST: usize = 8;

/// What may be changed about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Changes that may be on their way without being acknowledged.
    pub window_changes: u32,
    /// Bytes that may be on their way without being acknowledged, but for a single change that is larger.
    pub window_bytes: u32,
    /// The largest frame that the peer takes, in bytes.
    pub max_frame: u32,
    /// A peer that acknowledges nothing for so long is busy: it gets the rest when it comes back.
    pub patience: Duration,
    /// Pause between two comparisons; a tenth more or less at random.
    pub check_every: Duration,
    /// About the bytes of one part of a snapshot.
    pub part: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            window_changes: 512,
            window_bytes: 256 << 10,
            max_frame: 1 << 20,
            patience: Duration::from_secs(30),
            check_every: Duration::from_secs(60),
            part: 128 << 10,
        }
    }
}

impl Bounds {
    /// The most bytes of documents in one message, its frame and the rest of it not counted.
    #[must_use]
    pub fn message(&self) -> usize {
        (self.max_frame as usize / 2).clamp(4096, 64 << 10)
    }

    /// The bytes of one piece of a large document.
    #[must_use]
    pub fn piece(&self) -> usize {
        (self.max_frame as usize / 2).clamp(4096, 128 << 10)
    }
}
