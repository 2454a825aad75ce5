//! The command lines about services are read as they are meant.

use std::path::Path;

use clap::{Command, FromArgMatches as _, Subcommand as _};

use super::*;

fn read(line: &[&str]) -> Result<WorkCommand, String> {
    let program = WorkCommand::augment_subcommands(Command::new("mf2c")).subcommand_required(true);
    let matches = program.try_get_matches_from([&["mf2c"], line].concat()).map_err(|error| error.to_string())?;
    WorkCommand::from_arg_matches(&matches).map_err(|error| error.to_string())
}

fn register(line: &str) -> Result<RegisterArgs, String> {
    let words: Vec<&str> = ["service", "register"].into_iter().chain(line.split_whitespace()).collect();
    match read(&words)? {
        WorkCommand::Service(ServiceCommand::Register(args)) => Ok(*args),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn the_definitions_are_sound() {
    WorkCommand::augment_subcommands(Command::new("mf2c")).debug_assert();
}

#[test]
fn a_service_comes_from_a_file_or_from_flags_with_arguments_behind_two_dashes() {
    assert_eq!(register("service.yaml").unwrap().file.as_deref(), Some(Path::new("service.yaml")));
    assert_eq!(register("-").unwrap().file.as_deref(), Some(Path::new("-")));
    let args = register(
        "--name beat --process /bin/ping --port 80,443 --port 8080 --env A=b=c --arg -v --volume data:/data:ro \
         --memory 64 --cpus 0.5 --restart on-failure --health tcp:80 --agents 2 --reschedule 60 -- -i 5",
    )
    .unwrap();
    assert_eq!((args.name.as_deref(), args.process.as_deref()), (Some("beat"), Some("/bin/ping")));
    assert_eq!((args.port.as_slice(), args.env.len()), (&[80, 443, 8080][..], 1));
    assert_eq!((args.arg.as_slice(), args.arguments.as_slice()), (&["-v".into()][..], &["-i".into(), "5".into()][..]));
    assert_eq!((args.memory, args.cpus, args.agents, args.reschedule), (Some(64), Some(0.5), Some(2), Some(60)));
    assert_eq!(args.restart, Some(RestartFlag::OnFailure));
    assert_eq!(args.health, Some(HealthFlag::Tcp { port: Some(80) }));
    assert!(!args.replace);
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_was_expected() {
    for (line, expected) in [
        ("service register --image a --process b", "cannot be used with"),
        ("service register --image a --compose b", "cannot be used with"),
        ("service register --port 0", "0 is not in 1..=65535"),
        ("service register --env A", "expected NAME=VALUE"),
        ("service register --restart sometimes", "sometimes"),
        ("service register --health udp:1", "http:PORT/PATH"),
        ("run", "<SERVICE>"),
        ("run a --wait 0", "0 is not in 1..=86400"),
        ("logs", "<INSTANCE>"),
        ("logs a --since soon", "expected one such as 10m"),
        ("exec a", "<PROGRAM>"),
        ("exec a /bin/date", "/bin/date"),
        ("drain", "<DEVICE>"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let error = read(&words).map(|command| format!("{command:?}")).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn what_is_not_said_has_its_default() {
    let Ok(WorkCommand::Run(run)) = read(&["run", "hello", "--on", "5f0c", "--on", "10.0.0.5"]) else { panic!() };
    assert_eq!((run.wait, run.detach, run.on.len()), (300, false, 2));
    let Ok(WorkCommand::Drain(drain)) = read(&["drain", "5f0c", "--wait", "0"]) else { panic!() };
    assert_eq!((drain.wait, drain.device.device.as_str()), (0, "5f0c"));
    let Ok(WorkCommand::Exec(exec)) = read(&["exec", "5f0c", "--", "/bin/sh", "-c", "exit 3"]) else { panic!() };
    assert_eq!((exec.limit, exec.index, exec.program.len()), (10, None, 3));
    let Ok(WorkCommand::Logs(logs)) = read(&["logs", "-f", "--tail", "5", "5f0c"]) else { panic!() };
    assert_eq!((logs.follow, logs.tail, logs.since), (true, Some(5), None));
}
