//! What the whole of the configuration promises: precedence, refusals with their place, and files that load as shipped.

use std::io::Write as _;

use toml::Table;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().prefix("agent").suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let home = ("HOME".to_owned(), "/home/ada".to_owned());
    std::iter::once(home)
        .chain(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
        .collect::<Vec<_>>()
        .into_iter()
}

fn defaults() -> Loaded {
    load(None, variables(&[]), Overrides::default()).unwrap()
}

/// The problems of a file's text, without the path before each.
fn problems(text: &str) -> Vec<String> {
    let file = file(text);
    let error = load(Some(file.path()), variables(&[]), Overrides::default()).unwrap_err().to_string();
    let place = format!("{}:", file.path().display());
    error.lines().map(|line| line.strip_prefix(&place).unwrap_or(line).to_owned()).collect()
}

fn variable_problem(name: &str, value: &str) -> String {
    load(None, variables(&[(name, value)]), Overrides::default()).unwrap_err().to_string()
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let file = file("role = 'leader'\n[log]\nlevel = 'warn'\nformat = 'json'\n");
    let environment = [("MF2C_LOG_LEVEL", "error"), ("MF2C_ROLE", "cloud")];
    let flags = Overrides { role: Some(Role::Agent), ..Overrides::default() };
    let loaded = load(Some(file.path()), variables(&environment), flags).unwrap();
    let config = &loaded.config;
    assert_eq!((config.role, config.log.level.as_str(), config.log.format), (Role::Agent, "error", LogFormat::Json));
    assert_eq!(config.limits, Limits::default());
    let path = file.path().to_owned();
    let expected = [
        ("role", Origin::Flag("--role")),
        ("log.level", Origin::Environment("MF2C_LOG_LEVEL".into())),
        ("log.format", Origin::File(path.clone(), 4)),
        ("limits.page", Origin::Default),
    ];
    for (key, origin) in expected {
        assert_eq!(loaded.origins[key], origin, "{key}");
    }
    assert_eq!(loaded.file, Some(path));
}

#[test]
fn every_flag_reaches_its_key() {
    let overrides = Overrides {
        role: Some(Role::Cloud),
        data_dir: Some("here".into()),
        dev: true,
        api: Some("[::1]:1".parse().unwrap()),
        http: Some("127.0.0.1:2".parse().unwrap()),
        link: Some("127.0.0.1:3".parse().unwrap()),
        log_level: Some("debug".into()),
        log_format: Some(LogFormat::Json),
    };
    let loaded = load(None, variables(&[]), overrides).unwrap();
    let config = &loaded.config;
    assert_eq!((config.role, config.data_dir.as_path(), config.dev), (Role::Cloud, Path::new("here"), true));
    assert_eq!(
        (config.api.listen.to_string(), config.api.http.unwrap().to_string()),
        ("[::1]:1".into(), "127.0.0.1:2".into())
    );
    assert_eq!((config.log.level.as_str(), config.log.format), ("debug", LogFormat::Json));
    // All eight flags, and `auth.header`, which follows `--dev`.
    assert_eq!(loaded.origins.values().filter(|origin| matches!(origin, Origin::Flag(_))).count(), 9);
}

#[test]
fn the_environment_sets_every_kind_of_value() {
    let environment = [
        ("MF2C_DEV", "1"),
        ("MF2C_API_WORKERS", "0"),
        ("MF2C_API_HTTP", "127.0.0.1:80"),
        ("MF2C_API_TRUSTED_PROXIES", "10.0.0.1, ::1"),
        ("MF2C_LIMITS_HEAD_TIMEOUT", "1500ms"),
        ("MF2C_STORE_MEMORY_BUDGET", "2097152"),
        ("MF2C_DEVICE_THRESHOLD_PERCENT", "7"),
        ("MF2C_DEVICE_ACTUATORS", "siren,valve"),
        ("MF2C_DEVICE_SENSORS", "[{ kinds = ['temperature'], connection = { baudRate = 5600 } }]"),
        ("MF2C_TLS_NAMES", ""),
        ("OTHER", "ignored"),
    ];
    let config = load(None, variables(&environment), Overrides::default()).unwrap().config;
    assert!(config.dev && config.auth.header == AuthHeader::Loopback && config.tls.names.is_empty());
    assert_eq!((config.api.workers, config.api.trusted_proxies.len()), (0, 2));
    assert_eq!(config.api.http.unwrap().to_string(), "127.0.0.1:80");
    assert_eq!(config.limits.head_timeout.get(), std::time::Duration::from_millis(1500));
    assert_eq!((config.store.memory_budget.bytes(), config.device.threshold_percent), (2 << 20, 7.0));
    assert_eq!(config.device.actuators, ["siren", "valve"]);
    assert_eq!(config.device.sensors[0].connection["baudRate"].as_integer(), Some(5600));
}

#[test]
fn the_file_is_named_by_the_environment_unless_a_flag_names_another() {
    let (one, two) = (file("role = 'leader'"), file("role = 'cloud'"));
    let environment = [("MF2C_CONFIG", one.path().to_str().unwrap())];
    let role = |flag| load(flag, variables(&environment), Overrides::default()).unwrap().config.role;
    assert_eq!((role(None), role(Some(two.path()))), (Role::Leader, Role::Cloud));
    let missing = load(Some(Path::new("missing.toml")), variables(&[]), Overrides::default()).unwrap_err();
    assert_eq!(missing.to_string(), "failed to read the configuration file `missing.toml`");
}

#[test]
fn unknown_keys_sections_and_types_are_all_reported_with_line_and_nearest_key() {
    let text = "rol = 'agent'\nlisten = '127.0.0.1:1'\n\n[limit]\nbody = '1MiB'\n\n[api]\nlistn = 1\nworkers = 'two'\n\
                [limits]\nhead_timeout = 5\nbody = '1MB5'\npage = -1\nhead = true\n[zzz]\nqqq = 1\n[store.queue]\nx = 1\n\
                [device]\nthreshold_percent = '5'\nactuators = 'siren'\nsample_every = 1.5\n";
    let expected = [
        "1: unknown key `rol`; did you mean `role`?",
        "2: unknown key `listen`; did you mean `api.listen`?",
        "4: unknown key `[limit]`; did you mean `[limits]`?",
        "8: unknown key `api.listn`; did you mean `api.listen`?",
        "9: `api.workers`: expected a whole number such as 2, found text",
        "11: `limits.head_timeout`: `5` has no unit; expected d, h, m, s, ms, for example `5s`",
        "12: `limits.body`: `1MB5` has an unknown unit; expected TiB, GiB, MiB, KiB, B, TB, GB, MB, kB, for example `1MiB`",
        "13: `limits.page`: -1 is negative; expected a whole number such as 10000",
        "14: `limits.head`: expected text in quotes such as \"64KiB\", found true or false",
        "15: unknown key `[zzz]`; remove it; config/agent.toml explains every key",
        "17: `store.queue`: expected a whole number such as 1024, found a table",
        "20: `device.threshold_percent`: expected a number such as 5.0, found text",
        "21: `device.actuators`: expected a list in square brackets, found text",
        "22: `device.sample_every`: `1.5` is not a whole number; use a smaller unit, for example `1500ms`",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn what_stands_in_the_same_section_is_meant_rather_than_the_same_word_elsewhere() {
    let text = "[flocker]\ncertificate = 'x'\n[device]\nnames = 'x'\n[deter]\ncertificate = 'x'\n";
    let expected = [
        "2: unknown key `flocker.certificate`; did you mean `flocker.certificates`?",
        "4: unknown key `device.names`; did you mean `device.name`?",
        "6: unknown key `deter.certificate`; did you mean `tls.certificate`?",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn words_addresses_and_sections_are_refused_with_what_was_expected() {
    let text =
        "api = 5\nrole = 'leadr'\ndata_dir = 7\n[tls]\nkey = 3\n[auth]\nheader = 'on'\n[device]\nagent_type = 'big'\n";
    let expected = [
        "1: `api`: is a section: write [api] and its keys below",
        "2: `role`: `leadr` is none of agent, leader, cloud; did you mean `leader`?",
        "3: `data_dir`: expected text in quotes, found a whole number",
        "5: `tls.key`: expected text in quotes, found a whole number",
        "7: `auth.header`: `on` is none of off, loopback",
        "9: `device.agent_type`: `big` is none of normal, cloud, micro",
    ];
    assert_eq!(problems(text), expected);
    let reason = "`8443` is not an address and a port; write for example `127.0.0.1:8443`";
    assert_eq!(problems("[api]\nlisten = '8443'\n"), [format!("2: `api.listen`: {reason}")]);
    assert!(problems("[api]\ntrusted_proxies = ['proxy']\n")[0].contains("invalid IP address"));
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let found = problems("role = 'agent'\n[api\n");
    assert!(found[0].starts_with("2: ") && found.len() == 1, "{found:?}");
    assert!(problems("role = 'agent'\nrole = 'cloud'\n")[0].starts_with("2: duplicate key"));
}

#[test]
fn a_sensor_has_known_keys_and_says_what_it_measures() {
    let text = "[[device.sensors]]\nkinds = ['light']\n\n[[device.sensors]]\nkind = ['light']\n";
    assert_eq!(problems(text), ["5: unknown key `device.sensors.kind`; did you mean `kinds`?"]);
    let found = problems("[[device.sensors]]\nmodel = 'DHT22'\n");
    assert_eq!(found, ["1: `device.sensors`: sensor 1 has no `kinds`; say what it measures: [\"temperature\"]"]);
    assert!(problems("[[device.sensors]]\nkinds = 'light'\n")[0].starts_with("1: `device.sensors`: "));
}

#[test]
fn unknown_variables_are_refused_with_the_nearest_and_wrong_values_with_their_name() {
    let cases = [
        ("MF2C_API_LISTN", "x", "environment: unknown variable `MF2C_API_LISTN`; did you mean `MF2C_API_LISTEN`?"),
        ("MF2C_CONFG", "x", "environment: unknown variable `MF2C_CONFG`; did you mean `MF2C_CONFIG`?"),
        ("MF2C_ZZZ", "x", "environment: unknown variable `MF2C_ZZZ`; unset it: MF2C_* is read as configuration"),
        ("MF2C_DEV", "yes", "environment MF2C_DEV: `dev`: expected true or false, found `yes`"),
        (
            "MF2C_API_WORKERS",
            "",
            "environment MF2C_API_WORKERS: `api.workers`: expected a whole number such as 2, found ``",
        ),
        ("MF2C_ROLE", "x", "environment MF2C_ROLE: `role`: `x` is none of agent, leader, cloud"),
        (
            "MF2C_DEVICE_SENSORS",
            "a,b",
            "environment MF2C_DEVICE_SENSORS: `device.sensors`: expected a list in square brackets, found `a,b`",
        ),
    ];
    for (name, value, message) in cases {
        assert_eq!(variable_problem(name, value), message);
    }
}

#[test]
fn a_wrong_value_is_refused_even_where_another_source_overrides_it() {
    let file = file("role = 'boss'");
    let flags = Overrides { role: Some(Role::Agent), ..Overrides::default() };
    assert!(load(Some(file.path()), variables(&[]), flags).is_err());
}

#[test]
fn values_that_contradict_each_other_or_their_range_are_refused() {
    let cases = [
        (
            "api",
            "http = '0.0.0.0:8443'",
            "`api.http`: plain HTTP cannot share 127.0.0.1:8443 with HTTPS (`api.listen`); choose another port",
        ),
        ("api", "workers = 9999", "`api.workers`: 9999 is out of range; expected 0 to 1024"),
        (
            "tls",
            "certificate = 'a.pem'",
            "`tls.certificate`: needs `tls.key` too; set both, or none for a self-made certificate",
        ),
        (
            "tls",
            "key = 'a.pem'",
            "`tls.key`: needs `tls.certificate` too; set both, or none for a self-made certificate",
        ),
        (
            "tls",
            "names = ['a b']",
            "`tls.names`: `a b` is no host name or address; write for example `fog.example.org`",
        ),
        ("limits", "body = '17MiB'", "`limits.body`: 17MiB is more than `limits.bulk_body` (16MiB); raise that too"),
        ("limits", "target = '22KiB'", "`limits.target`: 22KiB is out of range; expected 1KiB to 21KiB"),
        ("limits", "keep_alive = '1ms'", "`limits.keep_alive`: 1ms is out of range; expected 1s to 1h"),
        ("limits", "page = 0", "`limits.page`: 0 is out of range; expected 1 to 10000"),
        ("store", "write_buffer = '1023KiB'", "`store.write_buffer`: 1023KiB is out of range; expected 1MiB to 1GiB"),
        ("store", "log_entries = 99", "`store.log_entries`: 99 is out of range; expected 100 to 100000000"),
        ("device", "threshold_percent = 100.5", "`device.threshold_percent`: 100.5 is out of range; expected 0 to 100"),
        ("device", "threshold_percent = nan", "`device.threshold_percent`: NaN is out of range; expected 0 to 100"),
        ("device", "publish_every = '1s'", "`device.publish_every`: 1s is less than `device.sample_every` (5s)"),
        ("log", "level = 'loud'", "`log.level`: `loud` is no level; expected off, error, warn, info, debug, trace"),
    ];
    for (section, line, message) in cases {
        assert_eq!(problems(&format!("[{section}]\n{line}\n")), [format!("2: {message}")]);
    }
    assert_eq!(
        problems("[limits]\nhead = '4095'\n")[0],
        "2: `limits.head`: 4095B is out of range; expected 4KiB to 64KiB"
    );
}

#[test]
fn what_is_open_to_the_network_or_to_everybody_is_warned_of() {
    let warnings = |pairs: &[(&str, &str)]| load(None, variables(pairs), Overrides::default()).unwrap().warnings;
    let has = |found: &[String], words: &str| found.iter().any(|warning| warning.contains(words));
    assert!(warnings(&[]).is_empty() && warnings(&[("MF2C_API_LISTEN", "0.0.0.0:8443")]).is_empty());
    assert!(has(&warnings(&[("MF2C_API_HTTP", "0.0.0.0:80")]), "clear text"));
    let dev = warnings(&[("MF2C_DEV", "true")]);
    assert!(dev.len() == 1 && has(&dev, "act as administrator"));
    let open = warnings(&[("MF2C_DEV", "true"), ("MF2C_API_LISTEN", "[::]:8443")]);
    assert!(has(&open, "DEVELOPMENT MODE ON THE NETWORK: [::]:8443"));
    assert!(has(
        &warnings(&[("MF2C_AUTH_HEADER", "loopback"), ("MF2C_API_TRUSTED_PROXIES", "::1")]),
        "trusted_proxies"
    ));
}

#[test]
fn data_live_where_the_machine_keeps_such_things() {
    let place = |pairs: &[(&str, &str)]| {
        let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(None, environment, Overrides::default()).unwrap().config.data_dir
    };
    let (home, xdg, state) = (("HOME", "/h"), ("XDG_DATA_HOME", "/x"), ("STATE_DIRECTORY", "/var/lib/fog:/other"));
    assert_eq!(place(&[]), Path::new("/var/lib/mf2c"));
    assert_eq!(place(&[home]), Path::new("/h/.local/share/mf2c"));
    assert_eq!(place(&[home, xdg]), Path::new("/x/mf2c"));
    assert_eq!(place(&[home, ("XDG_DATA_HOME", "relative")]), Path::new("/h/.local/share/mf2c"));
    assert_eq!(place(&[home, xdg, state]), Path::new("/var/lib/fog"));
    assert_eq!(place(&[home, xdg, state, ("MF2C_DATA_DIR", "~/fog")]), Path::new("/h/fog"));
}

#[test]
fn what_is_shown_loads_as_the_same_configuration() {
    let text = "data_dir = 'a \"b\"\\\\c'\n[[device.sensors]]\nkinds = ['light', 'heat']\nmodel = '#1'\n\
                connection = { baudRate = 5600, deep = { port = '/dev/ttyS0' } }\n[tls]\nnames = ['a.example']\n\
                [limits]\nhead_timeout = '1500ms'\nbulk_body = '10MB'\n";
    let file = file(text);
    let environment =
        [("MF2C_API_HTTP", "127.0.0.1:0"), ("MF2C_TLS_KEY", "k"), ("MF2C_TLS_CERTIFICATE", "c"), ("MF2C_DEV", "1")];
    let loaded = load(Some(file.path()), variables(&environment), Overrides::default()).unwrap();
    let shown = loaded.show();
    assert!(shown.contains("dev = true  # environment MF2C_DEV\n"), "{shown}");
    assert!(shown.contains("\nheader = \"loopback\"  # environment MF2C_DEV\n"), "{shown}");
    assert!(shown.contains(&format!("head_timeout = \"1500ms\"  # {}:9\n", file.path().display())), "{shown}");
    assert!(shown.contains("page = 10000  # default\n"), "{shown}");
    for original in [loaded, defaults()] {
        let again = self::file(&original.show());
        let reloaded = load(Some(again.path()), variables(&[]), Overrides::default()).unwrap();
        assert_eq!((&reloaded.config, &reloaded.warnings), (&original.config, &original.warnings));
    }
}

#[test]
fn shipped_files_load_and_hold_every_key_with_a_comment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    for role in Role::WORDS {
        let path = folder.join(format!("{role}.toml"));
        let loaded = load(Some(&path), variables(&[]), Overrides::default()).unwrap();
        assert_eq!((loaded.config.role.as_str(), loaded.warnings.len()), (*role, 0));
        let text = std::fs::read_to_string(&path).unwrap();
        let written = keys::flatten(&toml::from_str::<Table>(&text).unwrap());
        assert_eq!(written.keys().collect::<Vec<_>>(), Keys::new().defaults.keys().collect::<Vec<_>>(), "{role}");
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in
            lines.iter().enumerate().filter(|(_, line)| line.contains(" = ") && !line.starts_with('#'))
        {
            assert!(number > 0 && lines[number - 1].starts_with("# "), "{role}.toml: `{line}` has no comment");
        }
    }
}

#[test]
fn the_shipped_agent_file_is_the_default_and_says_so() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/agent.toml");
    let loaded = load(Some(&path), variables(&[]), Overrides::default()).unwrap();
    assert_eq!(loaded.config, defaults().config);
}

#[test]
fn a_file_too_large_to_be_a_configuration_is_not_read_to_its_end() {
    let file = file(&"#".repeat((1 << 20) + 1));
    let error = load(Some(file.path()), variables(&[]), Overrides::default()).unwrap_err();
    assert!(matches!(error, ConfigError::TooLarge { most: 1_048_576, .. }));
}

#[test]
fn each_door_that_listens_has_a_port_of_its_own() {
    for (key, other) in [
        ("qos.listen", "legacy.policies"),
        ("sla.listen", "qos.listen"),
        ("deltacloud.listen", "sla.listen"),
        ("services.lm_listen", "sla.listen"),
        ("services.optimal_listen", "sla.listen"),
        ("discovery.listen", "flocker.listen"),
        ("legacy.cau", "flocker.listen"),
    ] {
        let text: String = [key, other]
            .map(|key| {
                let (section, name) = key.split_once('.').unwrap();
                format!("[{section}]\n{name} = \"127.0.0.1:4600\"\n")
            })
            .concat();
        let written = file(&text);
        let refused = load(Some(written.path()), variables(&[]), Overrides::default()).unwrap_err().to_string();
        assert!(refused.contains(key) && refused.contains(&format!("is taken by `{other}`")), "{refused}");
    }
}
