//! What the actors need of the world, given to them at start.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use mf2c_domain::entropy::Entropy;
use mf2c_domain::people::mail::Mail;
use mf2c_domain::time::Clock;
use mf2c_domain::webhook::attempt::Answer;
use thiserror::Error;

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

/// Hands a mail to the server that takes it from there.
pub trait MailTransport: Send + Sync {
    /// Tries once. Whoever waits gives up when it takes too long.
    fn deliver(&self, mail: Mail) -> Delivery;
}

/// A delivery on its way.
pub type Delivery = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// It may be taken later: the server is away or busy.
    #[error("{0}")]
    Temporary(String),
    /// It never will be: the server refuses the address, the sender or the password.
    #[error("{0}")]
    Permanent(String),
}
