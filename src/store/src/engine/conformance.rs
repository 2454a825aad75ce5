//! What every engine must do. `open` opens the engine anew, as after a crash of the process that used it before.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Batch, Engine, Scan, Space};

type Open<'a> = &'a mut dyn FnMut() -> Arc<dyn Engine>;

/// Runs the whole suite.
///
/// # Panics
/// At the first thing that the engine does wrong.
#[expect(clippy::expect_used, reason = "a test suite fails by panicking")]
pub fn suite(open: Open<'_>) {
    {
        let engine = open();
        let mut batch = Batch { position: 1, ..Batch::default() };
        batch.put(Space::Documents, b"b", b"first".to_vec());
        batch.put(Space::Documents, b"a", b"1".to_vec());
        batch.put(Space::Changes, b"a", b"other space".to_vec());
        batch.put(Space::Documents, b"b", b"2".to_vec());
        engine.commit(batch).expect("a batch is committed");
        assert_eq!(keys(&*engine, Space::Documents, b""), ["a=1", "b=2"], "order, and the last write of a key wins");
        assert_eq!(keys(&*engine, Space::Documents, b"aa"), ["b=2"], "a scan starts where it is told");
        assert_eq!(keys(&*engine, Space::Changes, b""), ["a=other space"], "spaces are apart");
        assert_eq!(keys(&*engine, Space::Meta, b""), Vec::<String>::new());
    }
    {
        let engine = open();
        assert_eq!(engine.get(Space::Documents, b"b").expect("read"), Some(b"2".to_vec()), "a commit survives a crash");
        let before = engine.snapshot().expect("a snapshot is taken");
        let mut batch = Batch { position: 2, ..Batch::default() };
        batch.delete(Space::Documents, b"b");
        batch.delete(Space::Documents, b"never there");
        batch.put(Space::Meta, b"m", vec![0, 255, 10]);
        engine.commit(batch).expect("a batch is committed");
        assert_eq!(engine.get(Space::Documents, b"b").expect("read"), None);
        assert_eq!(keys(&*before, Space::Documents, b""), ["a=1", "b=2"], "a snapshot does not change");
        drop(before);
        engine.close().expect("an engine closes");
    }
    let engine = open();
    assert_eq!(keys(&*engine, Space::Documents, b""), ["a=1"], "a removal survives");
    assert_eq!(engine.get(Space::Meta, b"m").expect("read"), Some(vec![0, 255, 10]), "any byte is kept");
    many_and_large(&*engine);
    engine.heal().expect("healing a healthy engine changes nothing");
    drop(engine);
    let engine = open();
    assert_eq!(keys(&*engine, Space::Changes, b"").len(), 2_001);
    let mut seen = 0;
    let stop_early = engine.scan(Space::Changes, b"", &mut |_, _| {
        seen += 1;
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    stop_early.expect("a scan may stop early");
    assert_eq!(seen, 5);
}

#[expect(clippy::expect_used, reason = "a test suite fails by panicking")]
fn many_and_large(engine: &dyn Engine) {
    for start in 0..20u64 {
        let mut batch = Batch { position: 3 + start, ..Batch::default() };
        for at in 0..100 {
            let position = start * 100 + at;
            batch.put(Space::Changes, &position.to_be_bytes(), vec![7; 300]);
        }
        batch.put(Space::Meta, b"large", vec![1; 2 << 20]);
        engine.commit(batch).expect("a large batch is committed");
    }
}

#[expect(clippy::expect_used, reason = "a test suite fails by panicking")]
fn keys(scan: &(impl Scan + ?Sized), space: Space, from: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    scan.scan(space, from, &mut |key, value| {
        found.push(format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
        ControlFlow::Continue(())
    })
    .expect("a space is scanned");
    found
}
