//! Finds the damaged block after the embedded engine has said that there is one, because it does not say where.
//!
//! A table file begins with its blocks: `"LSM\x03"`, type u8, xxh3-128 of the data, stored length u32, plain length u32,
//! the lower 32 bits of the xxh3-128 of the head so far, then the data. Before the last block is one byte with the
//! version, behind it `"TOC!"` and the table of contents, and at the end `"SFA!"`, version u8, kind of sum u8, xxh3-128 of
//! the contents, their offset u64 and length u64. All integers are little-endian (lsm-tree 3, sfa 1).

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

const MAGIC: &[u8] = b"LSM\x03";
const HEAD: usize = 33;
/// The format's version, which stands alone before the last block.
const FORMAT: u8 = 3;
const TRAILER: usize = 38;

/// The first damaged block among the table files below `directory`: the file and the offset of the block.
pub(super) fn first_damaged_block(directory: &Path) -> Option<(PathBuf, u64)> {
    let mut files = Vec::new();
    collect(&directory.join("keyspaces"), 0, &mut files);
    files.sort();
    files.into_iter().find_map(|path| {
        let bytes = std::fs::read(&path).ok()?;
        damaged_at(&bytes).map(|offset| (path, offset))
    })
}

/// Whether there is any table file below `directory`.
pub(super) fn any(directory: &Path) -> bool {
    let mut files = Vec::new();
    collect(&directory.join("keyspaces"), 0, &mut files);
    !files.is_empty()
}

fn collect(directory: &Path, depth: u8, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && depth < 4 {
            collect(&path, depth + 1, files);
        } else if path.parent().and_then(Path::file_name).is_some_and(|name| name == "tables") {
            files.push(path);
        }
    }
}

/// Walks the blocks up to the table of contents.
fn damaged_at(bytes: &[u8]) -> Option<u64> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(data_length) = intact_head(rest) else {
            match rest {
                [FORMAT, next @ ..] if intact_head(next).is_some() => at += 1,
                _ if intact_contents(rest, at) => return None,
                _ => return Some(at as u64),
            }
            continue;
        };
        let sum = u128::from_le_bytes(rest[5..21].try_into().ok()?);
        match rest.get(HEAD..HEAD + data_length) {
            Some(data) if xxh3_128(data) == sum => at += HEAD + data_length,
            _ => return Some(at as u64),
        }
    }
}

/// Whether `rest`, which begins at `offset`, is an undamaged table of contents with its trailer.
fn intact_contents(rest: &[u8], offset: usize) -> bool {
    let Some((contents, trailer)) = rest.split_last_chunk::<TRAILER>() else { return false };
    let number = |at: usize| trailer[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    contents.starts_with(b"TOC!")
        && trailer.starts_with(b"SFA!\x01\x00")
        && trailer[6..22] == xxh3_128(contents).to_le_bytes()
        && (number(22), number(30)) == (offset as u64, contents.len() as u64)
}

/// The length of the data behind an undamaged head.
fn intact_head(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..HEAD)?;
    let own = u32::from_le_bytes(head[29..33].try_into().ok()?);
    #[expect(clippy::cast_possible_truncation, reason = "the format keeps the lower 32 bits")]
    let sum = xxh3_128(&head[..29]) as u32;
    (head.starts_with(MAGIC) && own == sum)
        .then(|| u32::from_le_bytes(head[21..25].try_into().unwrap_or_default()) as usize)
}
