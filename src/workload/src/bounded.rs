//! No call waits for ever, and what runs beside the caller's thread.

use std::time::Duration;

use crate::error::BackendError;

/// The outcome of `work`, or [`BackendError::Timeout`].
pub(crate) async fn within<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BackendError> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(BackendError::Timeout { what, after: limit }),
    }
}

/// Does what waits for the disk on a thread for such things.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(BackendError::failed("a task", &error)),
    }
}
