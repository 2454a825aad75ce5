//! What containers say and use, and programs that run beside them.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bollard::query_parameters::{LogsOptions, StatsOptions};
use futures_util::stream::StreamExt as _;
use mf2c_domain::time::Timestamp;
use rustix::process::{Pid, Signal};

use super::containers::LOOK;
use super::engine::Engine;
use super::inspect;
use crate::backend::ExecOutcome;
use crate::bounded::within;
use crate::error::BackendError;
use crate::observed::{LogLine, LogOptions, LogStream, Stats, Stream};

impl Engine {
    pub(crate) async fn logs(
        &self,
        name: &str,
        part: Option<String>,
        options: LogOptions,
    ) -> Result<LogStream, BackendError> {
        if self.inspect(name).await?.is_none() {
            return Err(BackendError::Missing { name: name.to_owned() });
        }
        let client = self.client().await?;
        let since = options.since.map_or(0, |since| since.millis() / 1000);
        let wanted = LogsOptions {
            follow: options.follow,
            stdout: true,
            stderr: true,
            timestamps: true,
            since: i32::try_from(since).unwrap_or(i32::MAX),
            tail: options.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string()),
            ..LogsOptions::default()
        };
        let lines = client.logs(name, Some(wanted)).filter_map(move |output| {
            let line = match output {
                Ok(output) => line(&output, part.clone())
                    .filter(|line| options.since.is_none_or(|since| line.time > since))
                    .map(Ok),
                Err(error) => Some(Err(BackendError::failed("reading the log", &error))),
            };
            async { line }
        });
        Ok(lines.boxed())
    }

    pub(crate) async fn stats(&self, name: &str) -> Result<Stats, BackendError> {
        within("measuring the container", LOOK, async {
            let client = self.client().await?;
            let mut answers = Box::pin(client.stats(name, Some(StatsOptions { stream: false, one_shot: true })));
            match answers.next().await {
                Some(Ok(answer)) => Ok(inspect::stats(&answer)),
                Some(Err(error)) => Err(self.fault("measuring the container", name, &error)),
                None => Err(BackendError::failed("measuring the container", &"the engine says nothing")),
            }
        })
        .await
    }

    pub(crate) async fn exec(&self, name: &str, argv: &[String], limit: Duration) -> Result<ExecOutcome, BackendError> {
        let fault = |error: bollard::errors::Error| self.fault("running a program beside it", name, &error);
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            cmd: Some(argv.to_vec()),
            ..ExecConfig::default()
        };
        let client = within("running a program beside it", LOOK, self.client()).await?;
        let work = async {
            let id = client.create_exec(name, config).await.map_err(fault)?.id;
            let mut ran = ExecOutcome { code: -1, output: String::new(), is_cut: false };
            let run = async {
                let mut output = vec![];
                if let StartExecResults::Attached { output: mut pieces, .. } =
                    client.start_exec(&id, None).await.map_err(fault)?
                {
                    while let Some(piece) = pieces.next().await {
                        let piece = piece.map_err(fault)?;
                        let room = ExecOutcome::MOST_OUTPUT - output.len();
                        ran.is_cut |= piece.as_ref().len() > room;
                        output.extend_from_slice(&piece.as_ref()[..piece.as_ref().len().min(room)]);
                    }
                }
                ran.code = client.inspect_exec(&id).await.map_err(fault)?.exit_code.unwrap_or(-1);
                ran.output = String::from_utf8_lossy(&output).into_owned();
                Ok(ran)
            };
            let ended = tokio::time::timeout(limit, run).await;
            if ended.is_err() {
                end_exec(&client, &id).await;
            }
            ended.unwrap_or(Err(BackendError::Timeout { what: "the program beside it", after: limit }))
        };
        // What comes before and after the program has a limit of its own.
        within("running a program beside it", limit.saturating_add(LOOK), work).await
    }
}

/// The API has no way to end a program beside a container: its process is asked for, and ended if we may.
async fn end_exec(client: &bollard::Docker, id: &str) {
    let known = tokio::time::timeout(LOOK, client.inspect_exec(id)).await;
    let running = known.ok().and_then(Result::ok).filter(|exec| exec.running == Some(true));
    let pid = running.and_then(|exec| exec.pid).and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// A line as the engine sends it: its time, a space, the text.
fn line(output: &LogOutput, part: Option<String>) -> Option<LogLine> {
    let (stream, message) = match output {
        LogOutput::StdErr { message } => (Stream::Err, message),
        LogOutput::StdOut { message } | LogOutput::Console { message } => (Stream::Out, message),
        LogOutput::StdIn { .. } => return None,
    };
    let text = String::from_utf8_lossy(message);
    let (time, text) = text.split_once(' ')?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Some(LogLine {
        part,
        stream,
        time: Timestamp::parse(time)?,
        text: text.strip_suffix('\r').unwrap_or(text).to_owned(),
    })
}
