//! What the actors need of the world, given to them at start.

use std::pin::Pin;
use std::sync::Arc;

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Clock;
use mf2c_domain::webhook::attempt::Answer;

/// Time and randomness: the machine's in production, seeded ones in the simulation.
#[derive(Clone)]
pub struct World {
    /// Wall-clock and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
}

/// One delivery to a webhook, ready to be sent by POST.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// Where to.
    pub url: String,
    /// The header `webhook-id`: the same for every attempt.
    pub id: String,
    /// The header `webhook-timestamp`: when this attempt was signed, in seconds since 1970.
    pub timestamp: u64,
    /// The header `webhook-signature`.
    pub signature: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// The way to the receivers of webhooks.
pub trait WebhookTransport: Send + Sync {
    /// Sends one delivery and waits for the answer, not for ever.
    fn deliver(&self, request: WebhookRequest) -> Pin<Box<dyn Future<Output = Answer> + Send>>;
}
