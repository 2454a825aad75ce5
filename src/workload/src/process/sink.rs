//! The log of a process: lines with their time and stream in files of bounded size, `log` and before it `log.1`,
//! `log.2`…
//!
//! A line is `<nanoseconds since 1970> <o or e> <text>`: the text is what the process wrote, byte by byte.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::observed::Stream;
use crate::spec::LogLimit;

/// A longer line is written as several.
pub(crate) const LONGEST_LINE: usize = 16 << 10;

/// The name of the file that is written to, or of the one so many before it.
pub(crate) fn file_name(back: u32) -> String {
    if back == 0 { "log".to_owned() } else { format!("log.{back}") }
}

/// Writes the log of one process.
pub(crate) struct Sink {
    folder: PathBuf,
    limit: LogLimit,
    file: File,
    size: u64,
    /// What stands before the end of a line in each stream.
    open: [Vec<u8>; 2],
}

impl Sink {
    /// Goes on with the log in `folder`.
    pub(crate) fn open(folder: &Path, limit: LogLimit) -> io::Result<Self> {
        let file = append(&folder.join(file_name(0)))?;
        let size = file.metadata()?.len();
        Ok(Self { folder: folder.to_owned(), limit, file, size, open: [vec![], vec![]] })
    }

    /// Takes what was read from a stream at a time in nanoseconds since 1970.
    pub(crate) fn take(&mut self, stream: Stream, at: i128, mut bytes: &[u8]) -> io::Result<()> {
        let mark = if stream == Stream::Out { b'o' } else { b'e' };
        let which = usize::from(stream == Stream::Err);
        let mut lines = vec![];
        while !bytes.is_empty() {
            let open = &mut self.open[which];
            let room = LONGEST_LINE - open.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let cut = end.unwrap_or(room.min(bytes.len()));
            open.extend_from_slice(&bytes[..cut]);
            bytes = &bytes[cut + usize::from(end.is_some())..];
            if end.is_some() || open.len() >= LONGEST_LINE {
                push_line(&mut lines, at, mark, open);
                open.clear();
            }
            if self.size + lines.len() as u64 >= self.limit.file_bytes {
                self.file.write_all(&lines)?;
                lines.clear();
                self.rotate()?;
            }
        }
        self.size += lines.len() as u64;
        self.file.write_all(&lines)
    }

    /// Writes what has no end of line: nothing more will come.
    pub(crate) fn finish(&mut self, at: i128) -> io::Result<()> {
        for stream in [Stream::Out, Stream::Err] {
            if !self.open[usize::from(stream == Stream::Err)].is_empty() {
                self.take(stream, at, b"\n")?;
            }
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let path = |back: u32| self.folder.join(file_name(back));
        for back in (1..self.limit.files).rev() {
            super::folder::absent_is_fine(fs::rename(path(back - 1), path(back)))?;
        }
        if self.limit.files <= 1 {
            super::folder::absent_is_fine(fs::remove_file(path(0)))?;
        }
        self.file = append(&path(0))?;
        self.size = 0;
        Ok(())
    }
}

fn push_line(lines: &mut Vec<u8>, at: i128, mark: u8, text: &[u8]) {
    lines.extend_from_slice(at.to_string().as_bytes());
    lines.extend_from_slice(&[b' ', mark, b' ']);
    lines.extend_from_slice(text);
    lines.push(b'\n');
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(folder: &Path, back: u32) -> String {
        fs::read_to_string(folder.join(file_name(back))).unwrap_or_default()
    }

    #[test]
    fn lines_are_whole_whatever_pieces_they_come_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Sink::open(folder.path(), LogLimit::default()).unwrap();
        sink.take(Stream::Out, 1, b"he").unwrap();
        sink.take(Stream::Err, 2, b"oh\n\nno").unwrap();
        sink.take(Stream::Out, 3, b"llo\n").unwrap();
        sink.finish(4).unwrap();
        assert_eq!(text(folder.path(), 0), "2 e oh\n2 e \n3 o hello\n4 e no\n");
    }

    #[test]
    fn endless_output_without_a_line_fills_no_more_than_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let limit = LogLimit { file_bytes: 4096, files: 2 };
        let mut sink = Sink::open(folder.path(), limit).unwrap();
        for at in 0..100 {
            sink.take(Stream::Out, at, &[b'x'; 5000]).unwrap();
            sink.take(Stream::Err, at, b"line\n").unwrap();
        }
        sink.finish(100).unwrap();
        let files: Vec<u64> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(files.len(), 2);
        let most = limit.file_bytes + LONGEST_LINE as u64 + 64;
        assert!(files.iter().all(|size| *size <= most), "{files:?}");
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Sink::open(folder.path(), LogLimit { file_bytes: 4096, files: 3 }).unwrap();
        for at in 0..2000 {
            sink.take(Stream::Out, at, format!("line {at}\n").as_bytes()).unwrap();
        }
        let all: String = (0..3).rev().map(|back| text(folder.path(), back)).collect();
        assert!(all.ends_with("1999 o line 1999\n") && !all.contains(" line 0\n"));
        let numbers: Vec<u32> = all.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) && numbers.len() > 300, "{}", numbers.len());
    }
}
