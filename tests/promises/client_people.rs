//! People at the command line: they sign in and out, and handle users, passwords and keys, against a real agent.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use mf2c_tests::{Agent, Ran, Start, mf2c_fed, mf2c_with};
use serde_json::Value;

const PASSWORD: &str = "correct horse battery";

/// Somebody's home directory, and an agent that knows only who has signed in.
struct Home {
    agent: Agent,
    url: String,
    fingerprint: String,
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self::with(Start::new().plain())
    }

    fn with(start: Start) -> Self {
        let agent = start.agent();
        let url = format!("https://{}", agent.https());
        let fingerprint = agent.fingerprint();
        Self { agent, url, fingerprint, folder: tempfile::tempdir().unwrap() }
    }

    fn home(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// `mf2c` with the profile of this name, and this on its standard input.
    fn fed(&self, profile: &str, line: &str, input: &str) -> Ran {
        let environment = [("HOME", self.home()), ("MF2C_PROFILE", profile)];
        mf2c_fed(&environment, &line.split(' ').collect::<Vec<_>>(), input)
    }

    fn run(&self, profile: &str, line: &str) -> Ran {
        self.fed(profile, line, "")
    }

    /// Signs in with a new profile of the user's name.
    fn login(&self, user: &str, password: &str) -> Ran {
        let line = format!("login {} --user {user} --password-stdin --fingerprint {}", self.url, self.fingerprint);
        self.fed(user, &line, &format!("{password}\n"))
    }

    fn admin(&self) {
        let _ = self.login("admin", &self.agent.admin_password()).expect(0);
    }

    /// An administrator and another user, both signed in.
    fn two() -> Self {
        let home = Self::new();
        home.admin();
        let _ = home.fed("admin", "user add jane --email jane@example.org --password-stdin", PASSWORD).expect(0);
        let _ = home.login("jane", PASSWORD).expect(0);
        home
    }

    fn profile(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!(".config/mf2c/profiles/{name}.toml"))
    }

    /// The cookie that a profile holds.
    fn cookie(&self, name: &str) -> String {
        let text = fs::read_to_string(self.profile(name)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("cookie = ")).unwrap();
        line.trim_matches('"').to_owned()
    }

    /// A new key of a user's: its id and its secret.
    fn key(&self, profile: &str) -> (String, String) {
        let made = self.run(profile, "user key add --name robot --ttl 1h -o json").expect(0).out;
        let made: Value = serde_json::from_str(&made).unwrap();
        (made["id"].as_str().unwrap().to_owned(), made["secretKey"].as_str().unwrap().to_owned())
    }
}

#[test]
fn a_sign_in_is_kept_in_a_private_profile_without_the_password_until_the_sign_out() {
    let home = Home::new();
    let password = home.agent.admin_password();
    home.run("admin", &format!("whoami --url {}", home.url)).expect(3).tells(&["nobody is signed in"]);
    home.run("admin", &format!("status --url {}", home.url)).expect(6).tells(&[&home.fingerprint]);
    home.login("admin", "wrong password").expect(3).tells(&["check the name and the password"]);
    let said = home.login("admin", &password).expect(0).out;
    assert_eq!(said, format!("signed in to {} as admin (profile `admin`)\n", home.url));
    let profile = home.profile("admin");
    assert_eq!(fs::metadata(&profile).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&profile).unwrap().contains(&password));

    let who = home.run("admin", "whoami").expect(0).out;
    assert!(who.starts_with(&format!("admin (ADMIN USER) at {}\nsigned in until ", home.url)), "{who}");
    let who: Value = serde_json::from_str(&home.run("admin", "whoami -o json").expect(0).out).unwrap();
    assert_eq!((&who["user"], &who["profile"]), (&"admin".into(), &"admin".into()));

    let (cookie, session) = (home.cookie("admin"), who["session"].as_str().unwrap().to_owned());
    let _ = home.agent.send_with(&cookie, "GET", &session, None).expect(200);
    assert_eq!(home.run("admin", "logout").expect(0).out, format!("signed out of {}\n", home.url));
    let _ = home.agent.send_with(&cookie, "GET", &session, None).expect(404);
    home.run("admin", "whoami").expect(3).tells(&["nobody is signed in", "mf2c login"]);
    home.run("admin", "logout").expect(3).tells(&["nobody is signed in"]);
}

#[test]
fn users_are_added_listed_suspended_and_activated_by_an_administrator_alone() {
    let home = Home::two();
    let listed = home.run("admin", "user list -o csv").expect(0).out;
    let mut lines = listed.lines();
    assert_eq!(lines.next(), Some("id,emailAddress,state,isSuperUser,created"));
    assert!(lines.next().unwrap().starts_with("user/admin,admin@localhost,ACTIVE,true,"));
    assert!(lines.next().unwrap().starts_with("user/jane,jane@example.org,ACTIVE,false,"));
    home.fed("admin", "user add jane --email j@example.org --password-stdin", PASSWORD).expect(5).tells(&["jane"]);

    assert_eq!(home.run("admin", "user suspend jane --yes").expect(0).out, "user/jane is SUSPENDED\n");
    home.run("jane", "query user").expect(3).tells(&["is over", "mf2c login"]);
    let _ = home.login("jane", PASSWORD).expect(3);
    let _ = home.run("admin", "user activate jane").expect(0);
    let _ = home.login("jane", PASSWORD).expect(0);

    let add = "user add bob --email bob@example.org --password-stdin";
    home.fed("jane", add, PASSWORD).expect(3).tells(&["only administrators add users"]);
    home.run("jane", "user suspend admin").expect(3).tells(&["lack the right"]);
    home.fed("jane", "user passwd admin --password-stdin", PASSWORD).expect(3).tells(&["lack the right"]);
    home.run("admin", "user suspend bob").expect(4).tells(&["user/bob not found"]);
}

#[test]
fn a_password_is_changed_by_its_owner_who_knows_it_and_by_an_administrator() {
    let home = Home::two();
    home.fed("jane", "user passwd --password-stdin", "wrong password\nanother password\n")
        .expect(3)
        .tells(&["is wrong: nothing was changed"]);
    home.fed("jane", "user passwd --password-stdin", PASSWORD)
        .expect(2)
        .tells(&["expected two lines: the present password, then the new one"]);
    let _ = home.fed("jane", "user passwd --password-stdin", &format!("{PASSWORD}\nanother password\n")).expect(0);
    let _ = home.run("jane", "whoami").expect(0);
    let _ = home.login("jane", PASSWORD).expect(3);
    let _ = home.login("jane", "another password").expect(0);
    let said = home.fed("admin", "user passwd jane --password-stdin", "a third password").expect(0).out;
    assert_eq!(said, "the password of jane is changed\n");
    home.run("jane", "whoami").expect(3).tells(&["is over"]);
    let _ = home.login("jane", "a third password").expect(0);
}

#[test]
fn a_key_signs_in_until_it_is_revoked() {
    let home = Home::two();
    let (key, secret) = home.key("jane");
    let listed = home.run("jane", "user key list").expect(0).out;
    assert!(listed.contains(&key) && listed.contains("robot") && !listed.contains(&secret), "{listed}");

    let login = format!("login {} --key {key} --secret-stdin --fingerprint {}", home.url, home.fingerprint);
    home.fed("robot", &login, "wrong secret").expect(3).tells(&["check the name"]);
    let _ = home.fed("robot", &login, &secret).expect(0);
    assert!(home.run("robot", "whoami").expect(0).out.starts_with("jane (USER) at "));
    assert!(!fs::read_to_string(home.profile("robot")).unwrap().contains(&secret));

    let arguments = ["whoami", "--url", &home.url, "--fingerprint", &home.fingerprint];
    let by_key = |secret: &str| mf2c_with(&[("MF2C_API_KEY", &key), ("MF2C_API_SECRET", secret)], &arguments);
    assert!(by_key(&secret).expect(0).out.starts_with("jane "));
    let _ = by_key("wrong secret").expect(3);
    mf2c_with(&[("MF2C_API_KEY", &key)], &arguments).expect(2).tells(&["belong together"]);

    assert_eq!(home.run("jane", &format!("user key revoke {key}")).expect(0).out, format!("{key} revoked\n"));
    let _ = by_key(&secret).expect(3);
    home.run("robot", "query service").expect(3).tells(&["is over"]);
}

#[test]
fn every_command_tells_that_a_session_has_ended_instead_of_answering_as_nobody() {
    let home = Home::with(Start::new().plain().environment("MF2C_AUTH_SESSION_LIFE", "1m"));
    home.admin();
    let id = serde_json::from_str::<Value>(&home.run("admin", "whoami -o json").expect(0).out).unwrap();
    let id = id["session"].as_str().unwrap();
    let _ = home.agent.send_with(&home.cookie("admin"), "DELETE", id, None).expect(200);
    for line in ["query service", "get user/admin", "create service name=x", "user list", "user key list", "whoami"] {
        home.run("admin", line).expect(3).tells(&["is over", "mf2c login"]);
    }
    let seen = home.run("admin", "status").expect(0).out;
    assert!(seen.contains("nobody: sign in") && seen.contains("is over"), "{seen}");
    assert!(home.run("admin", "logout").expect(0).out.contains("was over already"));
}

#[test]
fn status_tells_who_is_signed_in_and_what_an_operator_forgot() {
    let home = Home::new();
    let nobody = ["status", "--url", &home.url, "--fingerprint", &home.fingerprint];
    let seen = mf2c_with(&[], &nobody).expect(0).out;
    assert!(seen.contains("nobody: sign in with") && seen.contains("no mail server is configured"), "{seen}");
    assert!(!seen.contains("development mode") && !seen.contains("no password"), "{seen}");
    home.admin();
    let seen = home.run("admin", "status").expect(0).out;
    assert!(seen.starts_with("me          admin (ADMIN USER), signed in until 20"), "{seen}");
    // Nobody is believed who only says so.
    let claims = [&nobody[..], &["--as", "internal ADMIN"]].concat();
    let seen = mf2c_with(&[], &claims).expect(0).out;
    assert!(seen.contains("nobody: sign in") && seen.contains("does not believe --as"), "{seen}");
    let claims = [&["whoami"], &claims[1..]].concat();
    mf2c_with(&[], &claims).expect(3).tells(&["does not believe --as"]);
    let login = ["login", &home.url, "--fingerprint", &home.fingerprint, "--as", "internal ADMIN"];
    mf2c_with(&[("HOME", home.home())], &login).expect(3).tells(&["does not believe --as"]);

    let development = Home::with(Start::new());
    development.admin();
    assert!(development.run("admin", "status").expect(0).out.contains("development mode"));
}

#[test]
fn a_password_is_set_on_the_agents_machine_when_nobody_can_sign_in() {
    let home = Home::with(Start::new().plain().environment("JOURNAL_STREAM", "1:2"));
    let url = ["--url", &home.url, "--fingerprint", &home.fingerprint];
    let seen = mf2c_with(&[], &[&["status"], &url[..]].concat()).expect(0).out;
    assert!(seen.contains("the user admin has no password"), "{seen}");
    let _ = home.login("admin", PASSWORD).expect(3);

    let data_dir = home.agent.data_dir().to_str().unwrap();
    let line = format!("user passwd admin --password-stdin --data-dir {data_dir}");
    home.fed("x", &line, "short\n").expect(1).tells(&["8"]);
    home.fed("x", &line.replace("admin", "bob"), PASSWORD).expect(1).tells(&["bob"]);
    let said = home.fed("x", &line, &format!("{PASSWORD}\n")).expect(0).out;
    assert_eq!(said, "the password of admin is set, and admin's sessions are over\n");
    let _ = home.login("admin", PASSWORD).expect(0);
    let seen = home.run("admin", "status").expect(0).out;
    assert!(!seen.contains("no password"), "{seen}");

    // By the configuration file, which names the directory; and the sessions of before end.
    let file = home.folder.path().join("agent.toml");
    fs::write(&file, format!("data_dir = \"{data_dir}\"\n")).unwrap();
    let line = format!("user passwd admin --password-stdin --config {}", file.display());
    let _ = home.fed("x", &line, "another password").expect(0);
    home.run("admin", "whoami").expect(3).tells(&["is over"]);
    let _ = home.login("admin", "another password").expect(0);

    home.run("x", &line.replace(" --password-stdin", "")).expect(2).tells(&["--password-stdin"]);
    let _ = home.run("x", &format!("{line} --url {}", home.url)).expect(2);
    let _ = home.run("x", &format!("user passwd --data-dir {data_dir}")).expect(2);
    let elsewhere = format!("user passwd admin --password-stdin --data-dir {}", home.home());
    home.fed("x", &elsewhere, PASSWORD).expect(6).tells(&["no agent runs", home.home(), "start the agent"]);
}

/// Passes bytes on to an agent's plain HTTP, but breaks the first connection when the answer comes.
fn breaking(agent: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            let server = TcpStream::connect(&agent).unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from_client, &mut to_server));
            let (mut client, mut server) = (client, server);
            if number == 0 {
                let _ = server.read(&mut [0]);
                let _ = client.shutdown(std::net::Shutdown::Both);
            } else {
                thread::spawn(move || io::copy(&mut server, &mut client).and_then(|_| client.flush()));
            }
        }
    });
    address
}

#[test]
fn a_resource_is_created_once_although_the_connection_breaks_before_the_answer() {
    let agent = Start::new().agent();
    let url = format!("http://{}", breaking(agent.http()));
    let line = "create service name=once exec=hello-world exec_type=docker agent_type=normal";
    let mut arguments: Vec<&str> = line.split(' ').collect();
    arguments.extend(["--url", &url, "--as", "internal ADMIN"]);
    let id = mf2c_with(&[], &arguments).expect(0).out;
    let all = agent.send("GET", "service", None).expect(200).json();
    assert_eq!((&all["count"], all["services"][0]["id"].as_str()), (&1.into(), Some(id.trim())));
}
