//! The one way past the bound of a mailbox: for what must not be lost, cannot wait, and is bounded by something else.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};

/// Puts a message into an actor's mailbox, full or not. An actor that is gone does not get it.
#[expect(clippy::disallowed_methods, reason = "this is the one place for it; callers say what bounds them")]
pub fn post<A, M>(actor: &Addr<A>, message: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    actor.do_send(message);
}

/// The same for whoever takes such messages.
#[expect(clippy::disallowed_methods, reason = "this is the one place for it; callers say what bounds them")]
pub fn post_to<M>(recipient: &Recipient<M>, message: M)
where
    M: Message + Send,
    M::Result: Send,
{
    recipient.do_send(message);
}
