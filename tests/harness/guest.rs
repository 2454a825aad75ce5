//! The program that workloads of tests run: static, so that it is all there is in an image.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// `tests/clients/guest.c`, compiled once for this process; none where no C compiler can make it, with a word about it.
///
/// # Panics
/// Without a place for temporary files.
#[must_use]
pub fn guest() -> Option<PathBuf> {
    static GUEST: OnceLock<Option<PathBuf>> = OnceLock::new();
    GUEST.get_or_init(compile).clone()
}

fn compile() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/guest.c");
    let text = std::fs::read(&source).expect("the source of the guest");
    // Named after its text, beside the tests themselves: all of them use it.
    let sum =
        text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let folder = std::env::current_exe().expect("this test").with_file_name("guest");
    let program = folder.join(format!("guest-{sum:016x}"));
    if program.exists() {
        return Some(program);
    }
    std::fs::create_dir_all(&folder).expect("a folder beside the tests");
    let draft: TempDir = tempfile::tempdir_in(&folder).expect("a temporary directory");
    let new = draft.path().join("guest");
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-O1", "-o"]).arg(&new).arg(source);
    if !compiler.output().is_ok_and(|output| output.status.success()) {
        crate::skip("workloads of tests need a C compiler, `cc`, that makes static programs");
        return None;
    }
    std::fs::rename(new, &program).expect("the guest is in its place");
    Some(program)
}
