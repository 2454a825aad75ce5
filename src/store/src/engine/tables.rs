//! Finds the damaged block after the embedded engine has said that there is one, because it does not say where.
//!
//! A table file begins with its blocks: `"LSM\x03"`, type u8, xxh3-128 of the data, stored length u32, plain length u32,
//! the lower 32 bits of the xxh3-128 of the head so far, then the data; all integers little-endian (lsm-tree 3).

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

const MAGIC: &[u8] = b"LSM\x03";
const HEAD: usize = 33;

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

/// Walks the blocks; the sections behind them have no such heads and end the walk.
fn damaged_at(bytes: &[u8]) -> Option<u64> {
    let mut at = 0;
    while at < bytes.len() {
        let Some(data_length) = intact_head(&bytes[at..]) else {
            // Behind the last block comes the table of contents; a block further on means that a head was hit.
            let later = bytes[at + 1..].windows(MAGIC.len()).position(|window| window == MAGIC);
            let hit = at == 0 || later.is_some_and(|next| intact_head(&bytes[at + 1 + next..]).is_some());
            return hit.then_some(at as u64);
        };
        let sum = u128::from_le_bytes(bytes[at + 5..at + 21].try_into().ok()?);
        match bytes.get(at + HEAD..at + HEAD + data_length) {
            Some(data) if xxh3_128(data) == sum => at += HEAD + data_length,
            _ => return Some(at as u64),
        }
    }
    None
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
