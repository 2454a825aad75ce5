//! Who may do what: every path and method of the agent's own OpenAPI document, asked by everybody.
//!
//! What each gets stands in `rights.txt`, a line for each question and a column for each caller. After a change that is
//! meant, write it anew and read what is different: `UPDATE_SNAPSHOTS=1 cargo nextest run -p mf2c-tests rights`.

mod bodies;
mod callers;
mod documents;
mod laws;
mod matrix;
mod people;
mod seeds;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use callers::PASSWORD;
use documents::World;
use mf2c_tests::{Agent, Start};
use people::Office;

const WRITTEN: &str = include_str!("rights.txt");

#[test]
fn everybody_gets_what_is_written_down_and_the_laws_of_rights_hold() {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
    let agent = |name: &str, start: Start| -> Agent {
        let data_dir = directory.path().join(name);
        std::fs::create_dir(&data_dir).unwrap();
        std::fs::set_permissions(&data_dir, Permissions::from_mode(0o700)).unwrap();
        seeds::sow(&data_dir);
        start
            .data_dir(&data_dir)
            .environment("MF2C_AUTH_ADMIN_PASSWORD_FILE", password.to_str().unwrap())
            .environment("MF2C_WEBHOOKS_ATTEMPTS", "1")
            .environment("CHILDREN_DC", &seeds::children())
            .arguments(["--link", "127.0.0.1:0"])
            .agent()
    };
    // One connection is idle while thousands of questions go over another.
    let patient = || Start::new().environment("MF2C_LIMITS_KEEP_ALIVE", "1h");
    let development = agent("development", patient());
    let usual = agent("usual", patient().plain().arguments(["--http", "127.0.0.1:0"]));

    // Where the header counts for nothing, whoever sends it is nobody.
    let all = Office::open(&usual.http()).everybody("");
    let foreign = all.iter().find(|caller| caller.column == "admin").expect("a column").headers[0].1.clone();
    let mut world = World::open(&usual, &all);
    let strangers = [all[0].clone(), people::by_ignored_header()];
    let rows = matrix::rows(&world);
    let ignored = matrix::ask(&mut world, rows, &strangers);

    let mut callers = Office::open(&development.http()).everybody(&foreign);
    callers.extend(people::by_header());
    let mut world = World::open(&development, &callers);
    let rows = matrix::rows(&world);
    let mut matrix = matrix::ask(&mut world, rows, &callers);

    for ((row, cells), (_, [nobody, ignored])) in
        matrix.iter_mut().zip(ignored.into_iter().map(|(row, cells)| (row, <[_; 2]>::try_from(cells).expect("two"))))
    {
        assert_eq!(cells[0].status, nobody.status, "{} {}: nobody, without development", row.method, row.path);
        cells.push(ignored);
    }
    callers.push(people::by_ignored_header());
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
