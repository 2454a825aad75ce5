//! Flocker's certificates and the door behind which they count, with `openssl` and `curl` as the judges. The numbers are
//! those of the vectors in the specification of Flocker's interface.

mod bounds;
mod client;
mod containers;
mod datasets;
mod doors;
mod engine;
mod input;
pub(crate) mod place;
mod rights;

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{agent_binary, run};

use place::{Place, install, port, start, user};

#[test]
fn f01_to_f04_and_f11_an_authority_is_made_once_and_what_is_missing_or_unknown_is_named() {
    let place = Place::new();
    let here = place.path("").display().to_string();
    let here = here.trim_end_matches('/');
    place.ca(&["create-api-certificate", "allison"]).expect(1).tells(&[&format!(
        "Error: Unable to load certificate authority file. Please run `flocker-ca initialize` to generate a new \
         certificate authority. No such file or directory {here}/cluster.crt\n"
    )]);
    assert!(place.names().is_empty());

    let made = place.ca(&["initialize", "mycluster"]).expect(0);
    assert!(made.out.starts_with("Created cluster.key and cluster.crt.") && made.err.is_empty(), "{made:?}");
    assert_eq!(place.names(), ["cluster.crt", "cluster.key"]);
    assert_eq!([place.mode("cluster.crt"), place.mode("cluster.key")], [0o600, 0o600]);
    let before = [place.text("cluster.crt"), place.text("cluster.key")];
    let again = place.ca(&["initialize", "mycluster"]).expect(1);
    again.tells(&[&format!("Error: Unable to write certificate file. File exists {here}/cluster.crt\n")]);
    assert_eq!(before, [place.text("cluster.crt"), place.text("cluster.key")]);

    for words in [&["create-api-certificate"][..], &["generate-api-certificate"], &["initialize", "a", "b"]] {
        place.ca(words).expect(1).tells(&["Usage: flocker-ca ", "ERROR: Wrong number of arguments.\n"]);
    }
    let unknown = place.ca(&["bogus"]).expect(1);
    unknown.tells(&["Usage: flocker-ca <command> [options]", "ERROR: Unknown command: bogus\n"]);
    for words in [&[][..], &["--help"], &["-v"]] {
        let help = place.ca(words).expect(0);
        assert!(help.out.contains("Usage: flocker-ca <command> [options]") && help.err.is_empty(), "{help:?}");
    }
    assert!(place.ca(&["--version"]).expect(0).out.starts_with("flocker-ca "));

    // The same below the program's own name.
    let mut command = place.command(agent_binary());
    command.args(["flocker-ca", "bogus"]);
    assert_eq!(run(command), unknown);
}

#[test]
fn f05_f06_f09_and_f10_certificates_hold_what_they_should_and_openssl_believes_them() {
    let place = Place::with_cluster();
    place.makes(&["create-api-certificate", "allison"]);
    place.makes(&["create-control-certificate", "127.0.0.1"]);
    let made = place.makes(&["create-node-certificate"]);
    let node = made.strip_prefix("Created ").unwrap().split(".crt").next().unwrap().to_owned();
    let parts: Vec<usize> = node.split('-').map(str::len).collect();
    assert!(parts == [8, 4, 4, 4, 12] && node.as_bytes()[14] == b'4', "{node}");

    let root = place.openssl("x509 -in cluster.crt -noout -subject -nameopt compat");
    let root = root.trim().strip_prefix("subject=/").unwrap().to_owned();
    let unit = root.split('/').next().unwrap().strip_prefix("OU=").unwrap();
    assert_eq!(root, format!("OU={unit}/CN=mycluster"));
    for (file, name) in
        [("allison", "user-allison"), (&node, &format!("node-{node}")), ("control-127.0.0.1", "control-service")]
    {
        let found = place.openssl(&format!("x509 -in {file}.crt -noout -subject -issuer -nameopt compat"));
        assert_eq!(found, format!("subject=/OU={unit}/CN={name}\nissuer=/{root}\n"));
        assert_eq!([place.mode(&format!("{file}.crt")), place.mode(&format!("{file}.key"))], [0o600, 0o600]);
        assert!(place.text(&format!("{file}.key")).starts_with("-----BEGIN PRIVATE KEY-----\n"));
        // Strict: as readers behave that insist on every rule of RFC 5280.
        place.openssl(&format!("verify -x509_strict -CAfile cluster.crt {file}.crt"));
        place.openssl(&format!("pkcs12 -export -in {file}.crt -inkey {file}.key -out {file}.p12 -passout pass:x"));
    }
    for file in ["cluster", "allison", &node, "control-127.0.0.1"] {
        let text = place.openssl(&format!("x509 -in {file}.crt -noout -text"));
        for part in [
            "Version: 3 (0x2)",
            "Signature Algorithm: sha256WithRSAEncryption",
            "Public-Key: (4096 bit)",
            "Exponent: 65537",
        ] {
            assert!(text.contains(part), "{file}: {part}: {text}");
        }
        let client_only = text.contains("Extended Key Usage: \n                TLS Web Client Authentication\n");
        assert_eq!(
            (text.matches("Extended Key Usage").count(), client_only),
            if file == "allison" { (1, true) } else { (0, false) }
        );
        let dates = place.openssl(&format!("x509 -in {file}.crt -noout -startdate -enddate"));
        let seconds = |line: &str| -> i64 {
            let mut date = place.command("date");
            date.args(["-u", "-d", line.split_once('=').unwrap().1, "+%s"]);
            run(date).expect(0).out.trim().parse().unwrap()
        };
        let dates: Vec<i64> = dates.lines().map(seconds).collect();
        assert_eq!(dates[1] - dates[0], 7300 * 86_400);
    }
    let text = place.openssl("x509 -in cluster.crt -noout -ext basicConstraints,keyUsage");
    assert!(text.contains("CA:TRUE, pathlen:0") && text.contains("Certificate Sign, CRL Sign"), "{text}");

    let before = [place.text("allison.crt"), place.text("allison.key")];
    let again = place.ca(&["create-api-certificate", "allison"]).expect(1);
    again.tells(&["Error: Unable to write certificate file. File exists ", "/allison.crt\n"]);
    assert_eq!(before, [place.text("allison.crt"), place.text("allison.key")]);
}

#[test]
fn f07_and_f08_other_directories_are_used_and_the_control_service_has_its_names() {
    let place = Place::with_cluster();
    let said = place.ca(&["create-node-certificate", "-o", "/nonexist"]).expect(1);
    said.tells(&["Error: Unable to write certificate file. No such file or directory /nonexist/", ".crt\n"]);
    let said = place.ca(&["create-node-certificate", "-i", "/nonexist"]).expect(1);
    said.tells(&[
        "Unable to load certificate authority file. Please run",
        " No such file or directory /nonexist/cluster.crt\n",
    ]);

    let out = tempfile::tempdir().unwrap();
    let (from, into) = (place.path(""), out.path().to_str().unwrap());
    let mut command = Command::new(agent_binary());
    command
        .env_clear()
        .args(["flocker-ca", "create-control-certificate", "ctl.example.org", "-o", into, "-i"])
        .arg(&from);
    assert_eq!(run(command).code, Some(0));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2);
    assert_eq!(place.names(), ["cluster.crt", "cluster.key"]);
    let names = |file: &str| place.openssl(&format!("x509 -in {file} -noout -ext subjectAltName"));
    let text = names(&format!("{into}/control-ctl.example.org.crt"));
    assert!(text.contains("\n    DNS:control-service, DNS:ctl.example.org\n") && !text.contains("critical"), "{text}");
    place.makes(&["create-control-certificate", "127.0.0.1"]);
    assert!(names("control-127.0.0.1.crt").contains("\n    DNS:control-service, IP Address:127.0.0.1\n"));
}

#[test]
fn names_that_lead_elsewhere_and_keys_that_others_may_read_are_refused_and_nothing_is_left_behind() {
    let place = Place::with_cluster();
    for (name, reason) in [
        ("../escaped", "cannot be the name of a file here"),
        ("/etc/passwd", "cannot be the name of a file here"),
        ("", "The name is empty."),
        ("a\nb", "control characters"),
        (&"x".repeat(60), "has 60 characters; there is room for 59"),
    ] {
        place.ca(&["create-api-certificate", "--", name]).expect(1).tells(&["Error: Invalid username: ", reason]);
    }
    let mut command = place.command(place.tool());
    command.arg("create-api-certificate").arg(std::ffi::OsStr::from_bytes(b"all\xFFison"));
    run(command).expect(1).tells(&["Error: Invalid username: Could not be converted to UTF-8\n"]);
    place.ca(&["create-control-certificate", "two words"]).expect(1).tells(&["neither a DNS name nor an IP address"]);
    assert_eq!(place.names(), ["cluster.crt", "cluster.key"]);

    // The certificate of a pair whose key cannot be written does not stay.
    fs::write(place.path("bob.key"), "mine").unwrap();
    let said = place.ca(&["create-api-certificate", "bob"]).expect(1);
    said.tells(&["Error: Unable to write private key file. File exists ", "/bob.key\n"]);
    assert_eq!(place.names(), ["bob.key", "cluster.crt", "cluster.key"]);
    assert_eq!(place.text("bob.key"), "mine");

    fs::set_permissions(place.path("cluster.key"), Permissions::from_mode(0o640)).unwrap();
    let said = place.ca(&["create-api-certificate", "carol"]).expect(1);
    said.tells(&["Error: Private key file could not be opened.", "0640", "chmod 0600"]);
    fs::remove_file(place.path("cluster.key")).unwrap();
    let said = place.ca(&["create-api-certificate", "carol"]).expect(1);
    said.tells(&["Error: Private key file could not be opened. No such file or directory ", "/cluster.key\n"]);
}

/// A user's certificate, and others of all kinds that should not pass; the name of the file of the node's.
fn doubtful_certificates(place: &Place) -> String {
    for words in [
        &["create-control-certificate", "127.0.0.1"][..],
        &["create-api-certificate", "allison"],
        &["create-node-certificate"],
    ] {
        place.makes(words);
    }
    // As Flocker's own clients want the files to be called.
    let mut rename = place.command("bash");
    rename.args(["-c", "for end in crt key; do mv allison.$end user.$end; done"]);
    let _ = run(rename).expect(0);
    let node = place.names().into_iter().find(|name| name.len() == 40 && name.ends_with(".crt")).unwrap();
    // A user of another cluster; a name that only looks like a user's; an end in the past; one of X.509 version 1, as the
    // original makes them; and a user whose certificate says nothing of its use.
    for line in [
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -subj /OU=x/CN=user-user -days 2",
        "req -newkey rsa:2048 -nodes -keyout sly.key -out sly.csr -subj /CN=user-user/CN=node-sly -addext keyUsage=digitalSignature",
        "x509 -req -in sly.csr -CA cluster.crt -CAkey cluster.key -out sly.crt -days 2 -copy_extensions copyall",
        "req -newkey rsa:2048 -nodes -keyout late.key -out late.csr -subj /CN=user-late -addext keyUsage=digitalSignature",
        "x509 -req -in late.csr -CA cluster.crt -CAkey cluster.key -out late.crt -days -1 -copy_extensions copyall",
        "req -newkey rsa:2048 -nodes -keyout old.key -out old.csr -subj /OU=x/CN=user-old",
        "x509 -req -in old.csr -CA cluster.crt -CAkey cluster.key -out old.crt -days 2",
        "req -newkey rsa:2048 -nodes -keyout plain.key -out plain.csr -subj /CN=user-plain -addext keyUsage=digitalSignature",
        "x509 -req -in plain.csr -CA cluster.crt -CAkey cluster.key -out plain.crt -days 2 -copy_extensions copyall",
    ] {
        place.openssl(line);
    }
    node
}

#[test]
fn f34_and_the_rule_of_the_door_users_of_the_cluster_get_in_and_nobody_else_past_the_handshake() {
    let place = Place::with_cluster();
    let node = doubtful_certificates(&place);
    let mut agent = start(&install(&place, "control-127.0.0.1")).agent();
    for name in ["allison", "plain"] {
        user(&agent, name);
    }
    let port = port(&agent);
    let curl = |script: &str| {
        let mut command = place.command("bash");
        command.args(["-c", &script.replace("172.16.255.250:4523", &format!("127.0.0.1:{port}"))]);
        run(command)
    };
    // The seed's words, with a status asked for.
    let seeds = "curl --cacert $PWD/cluster.crt --cert $PWD/user.crt --key $PWD/user.key \
                 https://172.16.255.250:4523/v1/configuration/containers -s -S -o /dev/null -w '%{http_code} %{content_type}'";
    assert_eq!(curl(seeds).expect(0).out, "200 application/json");
    let device = "ad0a05dd-a1ed-449f-b44b-e1e2757bda00";
    let makes = format!("{seeds} -d '{{\"node_uuid\":\"{device}\",\"name\":\"web\",\"image\":\"nginx\"}}'");
    assert_eq!(curl(&makes).expect(0).out, "201 application/json");
    // By a name, as a DNS name in the control certificate is meant: it leads here for this call only.
    let by_name = "curl --cacert $PWD/cluster.crt --cert $PWD/user.crt --key $PWD/user.key -s -S \
                   --resolve control-service:PORT:127.0.0.1 https://control-service:PORT/v1/configuration/containers";
    let listed = curl(&by_name.replace("PORT", &port)).expect(0).out;
    assert!(listed.contains("\"name\":\"web\""), "{listed}");
    // By the name of this machine, where its certificate bears that.
    place.makes(&["create-control-certificate", "localhost"]);
    let host = start(&install(&place, "control-localhost")).agent();
    user(&host, "allison");
    let named = seeds.replace("172.16.255.250:4523", &format!("localhost:{}", place::port(&host)));
    assert_eq!(curl(&named).expect(0).out, "200 application/json");
    let other = curl(&named.replace("//localhost", "//127.0.0.1"));
    assert_eq!(other.code, Some(60), "it bears no other: {other:?}");
    let asked = |pair: &str, more: &str| {
        let pair = if pair.is_empty() { String::new() } else { format!("--cert {pair}.crt --key {pair}.key") };
        curl(&format!("curl -s -S --cacert cluster.crt {pair} {more} https://172.16.255.250:4523/v1/version"))
    };
    for tls in ["--tlsv1.3", "--tls-max 1.2"] {
        let version = asked("user", tls).expect(0).out;
        assert_eq!(version, format!("{{\"flocker\":\"{}\"}}", env!("CARGO_PKG_VERSION")));
        let pairs = ["", node.trim_end_matches(".crt"), "control-127.0.0.1", "other", "sly", "late", "old"];
        for pair in pairs {
            let refused = asked(pair, tls);
            assert!([35, 56, 60, 98].contains(&refused.code.unwrap()), "{tls} {pair}: {refused:?}");
            let alert = refused.err.contains("alert") || refused.code == Some(60);
            assert!(alert && refused.out.is_empty(), "{tls} {pair}: {refused:?}");
        }
        assert!(asked("plain", tls).expect(0).out.contains("flocker"));
    }
    // By the name that Flocker's own clients look for.
    let named = format!(
        "--connect-to control-service:{port}:127.0.0.1:{port} https://control-service:{port}/v1/version -o /dev/null"
    );
    assert!(asked("user", &named).expect(0).out.contains("flocker"));
    let wrong = curl(
        "curl -s -i -X PUT --cacert cluster.crt --cert user.crt --key user.key https://172.16.255.250:4523/v1/version",
    );
    assert!(
        wrong.out.starts_with("HTTP/1.1 405 ") && wrong.out.to_lowercase().contains("allow: get, head\r\n"),
        "{wrong:?}"
    );
    // Nobody resumes a session, whose certificate would not be looked at again.
    let session = curl(
        "echo | openssl s_client -connect 172.16.255.250:4523 -CAfile cluster.crt -cert user.crt -key user.key -tls1_2 -reconnect",
    );
    assert!(session.out.contains("New, TLSv1.2") && !session.out.contains("Reused"), "{session:?}");
    assert!(agent.stop("TERM").success());
}

#[test]
fn an_agent_whose_control_service_nobody_could_believe_does_not_start() {
    let place = Place::with_cluster();
    place.makes(&["create-control-certificate", "127.0.0.1"]);
    place.makes(&["create-api-certificate", "user"]);
    let data = tempfile::tempdir().unwrap();
    let refused = |folder: &Path, words: &[&str]| start(folder).data_dir(data.path()).refused().expect(2).tells(words);
    let folder = install(&place, "control-127.0.0.1");
    fs::set_permissions(folder.join("control-service.key"), Permissions::from_mode(0o644)).unwrap();
    refused(&folder, &["control-service.key` has mode 0644, expected 0600 or stricter"]);
    fs::set_permissions(folder.join("control-service.key"), Permissions::from_mode(0o600)).unwrap();
    refused(&install(&place, "user"), &["no certificate for the control service of this cluster"]);
    // The control service of another cluster.
    let other = tempfile::tempdir().unwrap();
    place.openssl(&format!(
        "req -x509 -newkey rsa:2048 -nodes -keyout {0}/x.key -out {0}/x.crt -subj /OU=x/CN=x -days 2",
        other.path().display()
    ));
    install(&place, "control-127.0.0.1");
    fs::copy(other.path().join("x.crt"), folder.join("cluster.crt")).unwrap();
    refused(&folder, &["no certificate for the control service of this cluster"]);
    fs::remove_file(folder.join("cluster.crt")).unwrap();
    refused(&folder, &["failed to read", "cluster.crt"]);
}

#[test]
fn the_examples_of_the_page_about_flocker_work() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/flocker.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0);
    let (calls, before): (Vec<&str>, Vec<&str>) = blocks.partition(|block| block.contains("127.0.0.1:4523"));
    let folder = tempfile::tempdir().unwrap();
    let etc = folder.path().join("etc").display().to_string();
    let shell = |script: &str, below: &str| {
        let mut path = vec![agent_binary().parent().unwrap().to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut bash = Command::new("bash");
        // Nothing of this machine's own is touched.
        let script = script.replace("/etc/flocker", &etc);
        bash.args(["-euc", &script]).current_dir(folder.path().join(below)).env_clear();
        bash.env("PATH", std::env::join_paths(path).unwrap());
        run(bash).expect(0).out
    };
    assert!(shell(&before.join("\n"), "").contains("CN = user-allison\n"));
    let agent = start(&folder.path().join("etc")).environment("MF2C_SERVICES_DOCKER_SOCKET", "").agent();
    user(&agent, "allison");
    let address = format!("127.0.0.1:{}", port(&agent));
    let said: Vec<String> =
        calls.iter().map(|call| shell(&call.replace("127.0.0.1:4523", &address), "cluster")).collect();
    assert!(said.len() == 5 && said[0] == "[]" && said[1].contains("\"image\":\"nginx:1.27\""), "{said:?}");
    let id = "\"dataset_id\":\"cd0a05dd-a1ed-449f-b44b-e1e2757bda02\"";
    assert!(said[2].contains(id) && said[2].contains("\"maximum_size\":1073741824"), "{said:?}");
    assert!(said[3].contains(id) && said[3].contains("\"expires\":"), "{said:?}");
    assert!(said[4].contains(id) && !said[4].contains("description"), "{said:?}");
}
