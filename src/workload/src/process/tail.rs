//! Reading the log of a process, also while it is written and its files change places.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::time::Timestamp;
use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{Sender, channel};

use super::folder::{Folder, Observed};
use super::proc::boot_id;
use super::ready;
use super::sink::file_name;
use crate::bounded::aside;
use crate::error::BackendError;
use crate::observed::{LogLine, LogOptions, LogStream, Stream};

/// More of the last lines are not kept together.
const MOST_TAIL: usize = 100_000;
/// So many lines wait for a slow reader.
const AHEAD: usize = 256;
/// A process whose shim was killed ends without a change to its folder: it is looked at so often.
const LOOK: Duration = Duration::from_secs(5);

/// A place in the files of a log.
struct Reader {
    folder: PathBuf,
    files: u32,
    file: Option<(File, u64)>,
    /// What stands before the end of a line.
    rest: Vec<u8>,
}

impl Reader {
    const fn new(folder: PathBuf, files: u32) -> Self {
        Self { folder, files, file: None, rest: vec![] }
    }

    /// The next lines; none at the end of what there is.
    fn next(&mut self) -> Vec<LogLine> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = self.file.as_mut().map_or(0, |(file, _)| file.read(&mut buffer).unwrap_or(0));
            if read > 0 {
                self.rest.extend_from_slice(&buffer[..read]);
                let lines = self.whole_lines();
                if lines.is_empty() {
                    continue;
                }
                return lines;
            }
            if !self.open_next() {
                return vec![];
            }
        }
    }

    fn whole_lines(&mut self) -> Vec<LogLine> {
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return vec![] };
        let lines = self.rest[..end].split(|byte| *byte == b'\n').filter_map(parse).collect();
        self.rest.drain(..=end);
        lines
    }

    /// Opens the file after the present one, or the oldest where that was removed.
    fn open_next(&mut self) -> bool {
        let inode = |back: u32| self.folder.join(file_name(back)).metadata().map(|file| file.ino()).ok();
        let there: Vec<(u32, u64)> = (0..self.files).filter_map(|back| Some((back, inode(back)?))).collect();
        let own = self.file.as_ref().and_then(|(_, own)| there.iter().find(|(_, inode)| inode == own));
        let next = match own {
            Some((0, _)) => None,
            Some((back, _)) => Some(back - 1),
            None => there.last().map(|(back, _)| *back),
        };
        let Some(file) = next.and_then(|back| File::open(self.folder.join(file_name(back))).ok()) else { return false };
        let inode = file.metadata().map(|file| file.ino()).unwrap_or_default();
        self.file = Some((file, inode));
        true
    }
}

/// Reads a line as [`super::sink`] writes it.
fn parse(line: &[u8]) -> Option<LogLine> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let nanos = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let stream = match parts.next()? {
        b"o" => Stream::Out,
        b"e" => Stream::Err,
        _ => return None,
    };
    let text = String::from_utf8_lossy(parts.next()?).into_owned();
    Some(LogLine { part: None, stream, time: Timestamp::from_nanos(nanos), text })
}

/// The lines of the log in a folder, of so many files.
pub(crate) fn lines(folder: Folder, files: u32, options: LogOptions) -> Result<LogStream, BackendError> {
    // Before the first look, so that nothing is missed between them.
    let changes = options.follow.then(|| changes(folder.path())).transpose();
    let changes = changes.map_err(|error| BackendError::failed("following the log", &error))?;
    let (sender, receiver) = channel(AHEAD);
    tokio::spawn(async move {
        // Nobody reads any more: that is the end, too.
        let _ = send_all(folder, files, options, changes, &sender).await;
    });
    Ok(stream::unfold(receiver, |mut receiver| async { Some((Ok(receiver.recv().await?), receiver)) }).boxed())
}

async fn step(mut reader: Reader) -> Option<(Reader, Vec<LogLine>)> {
    aside(move || {
        let lines = reader.next();
        Ok((reader, lines))
    })
    .await
    .ok()
}

async fn send_all(
    folder: Folder,
    files: u32,
    options: LogOptions,
    changes: Option<AsyncFd<OwnedFd>>,
    to: &Sender<LogLine>,
) -> Option<()> {
    let mut reader = Reader::new(folder.path().to_owned(), files);
    let mut last = VecDeque::new();
    let wanted = |line: &LogLine| options.since.is_none_or(|since| line.time > since);
    loop {
        let (next, lines) = step(reader).await?;
        reader = next;
        if lines.is_empty() {
            break;
        }
        for line in lines.into_iter().filter(wanted) {
            let Some(tail) = options.tail else {
                to.send(line).await.ok()?;
                continue;
            };
            last.push_back(line);
            if last.len() > tail.min(MOST_TAIL) {
                last.pop_front();
            }
        }
    }
    for line in last {
        to.send(line).await.ok()?;
    }
    let changes = changes?;
    loop {
        // Asked before reading: what was written before the end is read after it.
        let runs = matches!(folder.observe(&boot_id()), Observed::Running(_));
        loop {
            let (next, lines) = step(reader).await?;
            reader = next;
            if lines.is_empty() {
                break;
            }
            for line in lines.into_iter().filter(wanted) {
                to.send(line).await.ok()?;
            }
        }
        if !runs {
            return Some(());
        }
        tokio::select! {
            () = to.closed() => return None,
            () = changed(&changes) => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn changes(folder: &Path) -> std::io::Result<AsyncFd<OwnedFd>> {
    let fd = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&fd, folder, what)?;
    ready::register(fd)
}

/// Waits for any change, and forgets all that there were.
async fn changed(fd: &AsyncFd<OwnedFd>) {
    let Ok(mut ready) = fd.readable().await else { return };
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    while rustix::io::read(fd.get_ref(), &mut buffer).is_ok_and(|(read, _)| !read.is_empty()) {}
    ready.clear_ready();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::sink::Sink;
    use crate::spec::LogLimit;

    #[test]
    fn a_reader_finds_its_way_through_files_that_change_places() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Sink::open(folder.path(), LogLimit { file_bytes: 4096, files: 3 }).unwrap();
        let mut reader = Reader::new(folder.path().to_owned(), 3);
        let mut seen = vec![];
        for at in 0..1000_i32 {
            sink.take(Stream::Out, i128::from(at), format!("line {at}\n").as_bytes()).unwrap();
            // Now and then, and not so rarely that files are lost in between.
            if at % 150 == 0 {
                seen.extend(std::iter::repeat_with(|| reader.next()).take_while(|lines| !lines.is_empty()).flatten());
            }
        }
        seen.extend(std::iter::repeat_with(|| reader.next()).take_while(|lines| !lines.is_empty()).flatten());
        let times: Vec<i128> = seen.iter().map(|line| line.time.nanos()).collect();
        assert_eq!(times, (0..1000).collect::<Vec<i128>>());
        assert_eq!(seen[7].text, "line 7");
    }
}
