//! Who may do what: every path and method of the agent's own OpenAPI document, asked by everybody.
//!
//! What each gets stands in `rights.txt`, a line for each question and a column for each caller. After a change that is
//! meant, write it anew and read what is different: `UPDATE_SNAPSHOTS=1 cargo nextest run -p mf2c-tests rights`.

mod bodies;
mod callers;
mod documents;
mod laws;
mod matrix;

use std::path::Path;

use documents::World;
use mf2c_tests::Start;

const WRITTEN: &str = include_str!("rights.txt");

#[test]
fn everybody_gets_what_is_written_down_and_the_laws_of_rights_hold() {
    let agent = Start::new().agent();
    let callers = callers::all();
    let mut world = World::open(&agent.http(), &callers);
    let rows = matrix::rows(&world);
    let matrix = matrix::ask(&mut world, rows, &callers);
    let violations = laws::violations(&matrix, &callers);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
    let cells: usize = matrix.iter().map(|(_, cells)| cells.len()).sum();
    assert!(cells >= 1000, "{cells} cells");
    compare(&matrix::table(&matrix, &callers));
}

/// Compares the table with what is written down, or writes it down if that is asked for.
fn compare(table: &str) {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("promises/rights.txt");
        std::fs::write(file, table).expect("the table is written");
        return;
    }
    let written: Vec<&str> = WRITTEN.lines().collect();
    let found: Vec<&str> = table.lines().collect();
    let gone = written.iter().filter(|line| !found.contains(line)).map(|line| format!("- {line}"));
    let new = found.iter().filter(|line| !written.contains(line)).map(|line| format!("+ {line}"));
    let different: Vec<String> = gone.chain(new).collect();
    assert!(
        table == WRITTEN,
        "what is different from rights.txt; UPDATE_SNAPSHOTS=1 writes it anew:\n{}\n{}",
        found.first().copied().unwrap_or_default(),
        different.join("\n")
    );
}
