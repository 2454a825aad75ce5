//! The thread that the writer lives on in production, and the bounded queue before it.

use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::Writer;
use crate::command::{Command, Written};
use crate::error::StoreError;

/// The most commands that share one sync.
const MAX_BATCH: usize = 1024;

struct Waiting {
    command: Command,
    answer: oneshot::Sender<Result<Written, StoreError>>,
}

/// Where commands wait for the writer. Full means that the sender waits.
#[derive(Clone)]
pub struct WriteQueue {
    sender: mpsc::Sender<Waiting>,
}

impl WriteQueue {
    /// Hands a command to the writer and waits until it is on disk, or refused.
    ///
    /// # Errors
    /// [`StoreError`] with the writer's reason, or [`StoreError::Stopping`] once the writer is gone.
    pub async fn submit(&self, command: Command) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.sender.send(Waiting { command, answer }).await.map_err(|_| StoreError::Stopping)?;
        answered.await.map_err(|_| StoreError::Stopping)?
    }
}

/// Starts the writer on a thread of its own. It ends, with everything synced, when the last queue is dropped.
///
/// # Errors
/// The operating system's if it gives no thread.
pub fn start_writer(mut writer: Writer, capacity: usize) -> std::io::Result<(WriteQueue, JoinHandle<()>)> {
    let (sender, mut receiver) = mpsc::channel(capacity);
    let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        // A writer that has lost its way must not go on, nor leave an agent that cannot write: the next start recovers.
        let _ends_the_process = EndsTheProcess;
        while let Some(first) = receiver.blocking_recv() {
            let mut waiting: Vec<Waiting> = vec![first];
            while waiting.len() < MAX_BATCH
                && let Ok(next) = receiver.try_recv()
            {
                waiting.push(next);
            }
            let (commands, answers): (Vec<_>, Vec<_>) =
                waiting.into_iter().map(|Waiting { command, answer }| (command, answer)).unzip();
            for (answer, outcome) in answers.into_iter().zip(writer.execute(commands)) {
                // A caller that has gone away does not undo its write.
                let _ = answer.send(outcome);
            }
        }
        if let Err(error) = writer.close() {
            tracing::error!(%error, "the store could not be synced at the end; the next start checks it");
        }
    })?;
    Ok((WriteQueue { sender }, thread))
}

struct EndsTheProcess;

impl Drop for EndsTheProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the store's writer has failed; ending the process, the next start recovers");
            std::process::abort();
        }
    }
}
