//! `Mailer`: hands mails to the mail server, so that nobody waits for it.
//!
//! A mail that is not taken for now is tried again a few times, ever later. The queue is in memory: what waits when the
//! agent ends is lost, and people ask again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::people::mail::Mail;
use thiserror::Error;

use crate::ports::{DeliveryError, MailTransport};

/// Mails that wait, are on their way or wait for their next attempt.
const QUEUE: usize = 1000;
/// Mails on their way at a time.
const AT_ONCE: usize = 4;
/// Pauses before the second and further attempts. The last is long enough for servers that make strangers wait.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(180), Duration::from_secs(1080)];

/// Queues a mail.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), QueueFull>")]
pub struct SendMail(pub Mail);

/// The mail was not taken into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{QUEUE} mails wait already: the mail server does not take them, see the log")]
pub struct QueueFull;

/// A mail with the number of attempts that have failed.
struct Waiting {
    mail: Mail,
    failed: usize,
}

/// See the module.
pub struct Mailer {
    transport: Arc<dyn MailTransport>,
    /// How long one attempt may take.
    deadline: Duration,
    ready: VecDeque<Waiting>,
    /// Mails that wait for their next attempt.
    paused: usize,
    running: usize,
}

impl Mailer {
    /// A mailer without mails.
    #[must_use]
    pub fn new(transport: Arc<dyn MailTransport>, deadline: Duration) -> Self {
        Self { transport, deadline, ready: VecDeque::new(), paused: 0, running: 0 }
    }

    fn start_next(&mut self, ctx: &mut Context<Self>) {
        while self.running < AT_ONCE
            && let Some(next) = self.ready.pop_front()
        {
            self.running += 1;
            let attempt = tokio::time::timeout(self.deadline, self.transport.deliver(next.mail.clone()));
            // In a task of its own: should it panic, it takes nobody along.
            let attempt = actix::spawn(attempt).into_actor(self);
            ctx.spawn(attempt.map(move |outcome, mailer, ctx| {
                mailer.running -= 1;
                match outcome {
                    Ok(Ok(outcome)) => mailer.ended(next, outcome, ctx),
                    Ok(Err(_)) => {
                        let late = format!("it took more than {} s", mailer.deadline.as_secs_f32());
                        mailer.ended(next, Err(DeliveryError::Temporary(late)), ctx);
                    }
                    Err(_) => mailer.ended(next, Err(DeliveryError::Permanent("the attempt failed".into())), ctx),
                }
                mailer.start_next(ctx);
            }));
        }
    }

    /// Nothing of the text is logged: whoever has the link is believed.
    fn ended(&mut self, mut waiting: Waiting, outcome: Result<(), DeliveryError>, ctx: &mut Context<Self>) {
        let (to, subject) = (waiting.mail.to.clone(), waiting.mail.subject);
        match outcome {
            Ok(()) => tracing::debug!(to, subject, "a mail was sent"),
            Err(DeliveryError::Temporary(reason)) if waiting.failed < PAUSES.len() => {
                let pause = PAUSES[waiting.failed];
                tracing::info!(to, subject, reason, again_in = ?pause, "a mail was not taken yet");
                waiting.failed += 1;
                self.paused += 1;
                ctx.run_later(pause, |mailer, ctx| {
                    mailer.paused -= 1;
                    mailer.ready.push_back(waiting);
                    mailer.start_next(ctx);
                });
            }
            Err(error) => tracing::warn!(to, subject, %error, "a mail could not be sent and is given up"),
        }
    }
}

impl Actor for Mailer {
    type Context = Context<Self>;
}

impl Handler<SendMail> for Mailer {
    type Result = Result<(), QueueFull>;

    fn handle(&mut self, SendMail(mail): SendMail, ctx: &mut Context<Self>) -> Self::Result {
        if self.ready.len() + self.paused + self.running >= QUEUE {
            return Err(QueueFull);
        }
        self.ready.push_back(Waiting { mail, failed: 0 });
        self.start_next(ctx);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::Instant;

    use super::*;
    use crate::ports::Delivery;

    /// A mail server that answers as a test says; the number is that of the attempt.
    struct Scripted {
        attempts: Arc<AtomicUsize>,
        answer: fn(usize) -> Option<Result<(), DeliveryError>>,
    }

    impl MailTransport for Scripted {
        fn deliver(&self, _: Mail) -> Delivery {
            let answer = (self.answer)(self.attempts.fetch_add(1, Ordering::SeqCst));
            Box::pin(async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        }
    }

    fn mailer(answer: fn(usize) -> Option<Result<(), DeliveryError>>) -> (Addr<Mailer>, Arc<AtomicUsize>) {
        let attempts = Arc::new(AtomicUsize::new(0));
        let transport = Arc::new(Scripted { attempts: Arc::clone(&attempts), answer });
        (Mailer::new(transport, Duration::from_secs(30)).start(), attempts)
    }

    fn mail() -> SendMail {
        SendMail(Mail { to: "a@b.org".to_owned(), subject: "s", text: "t".to_owned() })
    }

    /// Under a clock that jumps ahead when nothing else is to do.
    fn in_virtual_time(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    async fn attempts_reach(attempts: &AtomicUsize, count: usize) -> Duration {
        let started = Instant::now();
        while attempts.load(Ordering::SeqCst) < count {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
            assert!(started.elapsed() < Duration::from_secs(7200), "{} attempts", attempts.load(Ordering::SeqCst));
        }
        started.elapsed()
    }

    #[test]
    fn a_mail_that_is_not_taken_yet_is_tried_five_times_ever_later() {
        in_virtual_time(async {
            let (mailer, attempts) = mailer(|_| Some(Err(DeliveryError::Temporary("451 later".into()))));
            mailer.send(mail()).await.unwrap().unwrap();
            let took = attempts_reach(&attempts, 5).await;
            assert!(took >= PAUSES.iter().sum::<Duration>(), "{took:?}");
            tokio::time::advance(Duration::from_secs(36_000)).await;
            tokio::task::yield_now().await;
            assert_eq!(attempts.load(Ordering::SeqCst), 5);
        });
    }

    #[test]
    fn a_mail_that_is_refused_for_good_is_tried_once() {
        in_virtual_time(async {
            let (mailer, attempts) = mailer(|_| Some(Err(DeliveryError::Permanent("550 no".into()))));
            mailer.send(mail()).await.unwrap().unwrap();
            attempts_reach(&attempts, 1).await;
            tokio::time::advance(Duration::from_secs(36_000)).await;
            tokio::task::yield_now().await;
            assert_eq!(attempts.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn a_server_that_hangs_holds_up_nobody_for_ever_and_the_queue_has_an_end() {
        in_virtual_time(async {
            let (mailer, attempts) = mailer(|attempt| if attempt < AT_ONCE { None } else { Some(Ok(())) });
            let mut taken = 0;
            while mailer.send(mail()).await.unwrap().is_ok() {
                taken += 1;
            }
            assert_eq!(taken, QUEUE);
            // The first ones hang until their deadline; then all others go out, and the first ones once more.
            let took = attempts_reach(&attempts, QUEUE + AT_ONCE).await;
            assert!(took >= Duration::from_secs(30), "{took:?}");
            assert_eq!(mailer.send(mail()).await.unwrap(), Ok(()));
        });
    }
}
