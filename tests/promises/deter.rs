//! DETER's testbed API over real sockets: by zeep from its own descriptions, and by curl and openssl where it must be
//! exact.

mod bad;
mod clock;
mod page;
mod place;
mod zeep;

use std::fs;
use std::process::Command;

use mf2c_tests::{Start, eventually, run};
use place::{NEW, OLD, PASSWORD, Testbed, element, envelope, response, start};
use serde_json::json;

const NIL: &str = "<n:echo xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><n:param i:nil=\"true\"/></n:echo>";
const PROFILE: &str = "<n:getUserProfile/>";
const REQUIRED: (i32, &str) = (2, "No client certificate and one is required");
const LOGGED_OUT: (i32, &str) = (5, "Not logged in");

fn same(fault: (i32, String), expected: (i32, &str)) {
    assert_eq!((fault.0, fault.1.as_str()), expected);
}

#[test]
fn the_version_is_told_to_everybody_in_every_form() {
    let place = Testbed::new();
    let reply = place.reply("ApiInfo", "<n:getVersion/>", None);
    assert!(
        reply.contains("<ns:keyID xsi:nil=\"true\"/><ns:patchLevel>0.0</ns:patchLevel><ns:version>0.2</ns:version>")
    );
    for path in ["ApiInfo/getVersion", "ApiInfo.ApiInfoHttpsEndpoint/getVersion/", "../service/ApiInfo/getVersion"] {
        let answer = place.curl(path, None, &[]).expect(200);
        assert_eq!(answer.header("content-type").unwrap(), "application/xml;charset=UTF-8");
        assert!(answer.text().contains("<ns:getVersionResponse") && !answer.text().contains("Envelope"), "{path}");
    }
    let echo = place.curl("ApiInfo/echo?param=a%3C%26b", None, &[]).expect(200);
    assert_eq!(element(&echo.text(), "return"), Some("a&lt;&amp;b"));
    let echo = place.reply("ApiInfo", "<n:echo><n:param>a&lt;&amp;&gt;b</n:param></n:echo>", None);
    assert_eq!(element(&echo, "return"), Some("a&lt;&amp;&gt;b"));
    assert!(place.reply("ApiInfo", NIL, None).contains("xsi:nil=\"true\"/></ns:echoResponse>"));
    place.user("abierce");
    let held = place.login("abierce");
    let reply = place.reply("ApiInfo", "<n:getVersion/>", Some(&held));
    let key = element(&reply, "keyID").unwrap();
    assert!(key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
}

#[test]
fn the_version_of_soap_follows_the_envelope_and_not_the_address() {
    let place = Testbed::new();
    let body = "<n:echo><n:param>x</n:param></n:echo>";
    for path in
        ["ApiInfo.ApiInfoHttpsSoap11Endpoint/", "ApiInfo.ApiInfoHttpsSoap12Endpoint/", "ApiInfo/echo", "ApiInfo"]
    {
        for (space, media) in [(OLD, "text/xml"), (NEW, "application/soap+xml")] {
            let answer = place.post(path, media, &envelope(space, body), None).expect(200);
            let told = answer.header("content-type").unwrap();
            assert!(
                answer.text().contains(&format!("xmlns:soapenv=\"{space}\"")) && told.starts_with(media),
                "{path} {told}"
            );
        }
    }
    let answer = place.post("ApiInfo", "application/soap+xml", &envelope(NEW, body), None).expect(200);
    let media = "application/soap+xml; action=\"urn:echoResponse\";charset=UTF-8";
    assert_eq!(answer.header("content-type").unwrap(), media);
    let bare = place.post("ApiInfo/echo", "application/xml", "<echo><param>x</param></echo>", None).expect(200);
    assert!(bare.text().contains("<ns:return>x</ns:return>") && !bare.text().contains("Envelope"));
    let form = place.curl("ApiInfo/echo", None, &["-d", "param=x"]).expect(200);
    assert_eq!(element(&form.text(), "return"), Some("x"));
}

#[test]
fn descriptions_name_the_address_that_was_asked() {
    let place = Testbed::new();
    let port = place.base().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    for service in ["ApiInfo", "Users", "Projects", "Experiments", "Resources"] {
        let wsdl = place.curl(&format!("{service}?wsdl"), None, &[]).expect(200).text();
        let address = format!("location=\"{}/{service}.{service}HttpsSoap12Endpoint/\"", place.base());
        assert!(wsdl.contains(&address), "{address}");
        let named =
            place.curl(&format!("{service}?WSDL"), None, &["-H", "host: testbed.example.org:1234"]).expect(200).text();
        assert!(named.contains("location=\"https://testbed.example.org:1234/axis2/services/"), "{named}");
        let xsd = place.curl(&format!("{service}?xsd=xsd0"), None, &[]).expect(200).text();
        assert!(xsd.contains("<xs:schema") && !xsd.contains("wsdl"), "{port}");
    }
}

#[test]
fn signing_in_gives_a_certificate_of_ours_that_opens_the_api_too_and_its_revocation_closes_both() {
    let place = Testbed::new();
    place.user("abierce");
    let held = place.login("abierce");
    let pem = fs::read_to_string(place.file(&held)).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && pem.contains("-----BEGIN RSA PRIVATE KEY-----"));
    assert_eq!(pem.matches("BEGIN").count(), 2);
    let text = place.openssl(&format!("x509 -in {held} -noout -text")).expect(0).out;
    for part in ["Version: 3", "CN=abierce", "(2048 bit)", "TLS Web Client Authentication"] {
        assert!(text.replace("CN = ", "CN=").contains(part), "{part}: {text}");
    }
    let told = place.reply("ApiInfo", "<n:getServerCertificate/>", None);
    fs::write(place.file("authorities.pem"), element(&told, "return").unwrap()).unwrap();
    let _ = place.openssl(&format!("verify -purpose sslclient -CAfile authorities.pem {held}")).expect(0);
    let lasts = place.openssl(&format!("x509 -in {held} -noout -checkend 85000")).expect(0).out;
    assert!(lasts.contains("will not expire"), "{lasts}");
    assert_eq!(place.openssl(&format!("x509 -in {held} -noout -checkend 86500")).code, Some(1), "it holds for a day");
    let at_api = |path: &str| {
        let url = format!("{}/{path}", place.agent.api());
        mf2c_tests::curl(["--cacert", &place.path("roots.pem"), "--cert", &place.path(&held), &url])
    };
    let _ = at_api("user/abierce").expect(200);
    let certificates = at_api("certificate").expect(200).json();
    let id = certificates["certificates"][0]["id"].as_str().unwrap().to_owned();
    assert!(place.reply("Users", PROFILE, Some(&held)).contains("<ns:id>abierce</ns:id>"));
    let sessions = at_api("testbed-session").expect(200).json();
    assert_eq!((&sessions["count"], &sessions["testbedSessions"][0]["user"]), (&json!(1), &json!("abierce")));
    let _ = place.admin("POST", &format!("{id}/revoke"), None).expect(200);
    eventually("the handshake fails", || at_api("user/abierce").status == 0);
    eventually("here as well", || place.call("Users", PROFILE, Some(&held)).0 == 0);
}

#[test]
fn a_session_outlives_a_restart_and_ends_with_its_document_or_by_logout() {
    let data = tempfile::tempdir().unwrap();
    let port = mf2c_tests::free_address();
    let listen = || start().data_dir(data.path()).environment("MF2C_DETER_LISTEN", &port);
    let place = Testbed::with(listen());
    place.user("abierce");
    let [first, second] = [place.login("abierce"), place.login("abierce")];
    let sessions = place.admin("GET", "testbed-session", None).expect(200).json();
    assert_eq!(sessions["count"], 2);
    assert!(place.reply("Users", "<n:logout/>", Some(&first)).contains("<ns:return>true</ns:return>"));
    same(place.fault("Users", PROFILE, Some(&first)), LOGGED_OUT);
    let place = place.restarted(listen());
    assert_eq!(told_certificate(&place), shown_certificate(&place), "the log tells what is shown");
    assert!(place.reply("Users", PROFILE, Some(&second)).contains("<ns:id>abierce</ns:id>"));
    same(place.fault("Users", PROFILE, Some(&first)), LOGGED_OUT);
    let sessions = place.admin("GET", "testbed-session", None).expect(200).json();
    let id = sessions["testbedSessions"][0]["id"].as_str().unwrap().to_owned();
    let _ = place.admin("DELETE", &id, None).expect(200);
    same(place.fault("Users", PROFILE, Some(&second)), LOGGED_OUT);
}

/// The fingerprint of the certificate that the agent says it serves with.
fn told_certificate(place: &Testbed) -> String {
    place.agent.fingerprint()
}

/// That of the certificate that clients of the API see.
fn shown_certificate(place: &Testbed) -> String {
    let mut shell = Command::new("bash");
    let line = "openssl s_client -connect $0 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256";
    shell.args(["-c", line, place.agent.https()]);
    run(shell).expect(0).out.trim().rsplit('=').next().unwrap().to_owned()
}

#[test]
fn plain_http_at_the_port_of_a_door_is_told_once() {
    let place = Testbed::new();
    let url = place.base().replace("https://", "http://");
    for _ in 0..3 {
        assert_eq!(mf2c_tests::curl([&url]).status, 0);
    }
    eventually("a word about it", || place.agent.log().contains("a client spoke plain HTTP at a TLS port"));
    let _ = place.curl("ApiInfo/getVersion", None, &[]).expect(200);
    assert_eq!(place.agent.log().matches("a client spoke plain HTTP at a TLS port").count(), 1);
}

#[test]
fn nobody_gets_in_without_a_certificate_or_with_one_of_another_authority() {
    let place = Testbed::new();
    place.user("abierce");
    same(place.fault("Users", PROFILE, None), REQUIRED);
    let no_logout = place.fault("Users", "<n:logout/>", None);
    same(no_logout, (2, "You are not logged in (no certificate presented)"));
    let line = "req -x509 -newkey rsa:2048 -noenc -days 2 -subj /CN=abierce -keyout foreign.key -out foreign.crt";
    let _ = place.openssl(line).expect(0);
    let both = ["foreign.crt", "foreign.key"].map(|name| fs::read_to_string(place.file(name)).unwrap()).concat();
    fs::write(place.file("foreign.pem"), both).unwrap();
    assert_eq!(place.curl("ApiInfo/getVersion", Some("foreign.pem"), &[]).status, 0, "the handshake fails");
    let other = Testbed::new();
    other.user("abierce");
    let held = other.login("abierce");
    fs::copy(other.file(&held), place.file("other.pem")).unwrap();
    assert_eq!(place.curl("ApiInfo/getVersion", Some("other.pem"), &[]).status, 0, "so it does for another area's");
    let _ = place.curl("ApiInfo/getVersion", None, &[]).expect(200);
}

#[test]
fn a_challenge_takes_one_answer_and_the_sixth_is_refused() {
    let place = Testbed::new();
    place.user("abierce");
    let number = place.challenge("abierce");
    same(place.fault("Users", &response(&number, "wrong"), None), (1, "Invalid repsonse"));
    let gone = format!("no challenge with ID {number}");
    same(place.fault("Users", &response(&number, PASSWORD), None), (2, &gone));
    for _ in 0..5 {
        place.challenge("abierce");
    }
    let ask = "<n:requestChallenge><n:uid>abierce</n:uid><n:types>clear</n:types></n:requestChallenge>";
    same(place.fault("Users", ask, None), (2, "Too many open challenges for abierce"));
    let unk = ask.replace("abierce", "unk");
    same(place.fault("Users", &unk, None), (2, "No such user unk"));
    same(place.fault("Users", &ask.replace("clear", "masked"), None), (2, "Requested challenges not supported"));
    same(place.fault("Users", "<n:requestChallenge/>", None), (2, "No uid given for challenge"));
}

#[test]
fn wrong_passwords_count_as_at_the_api() {
    let place = Testbed::with(start().environment("MF2C_AUTH_LOCK_AFTER", "3"));
    place.user("abierce");
    for _ in 0..3 {
        let number = place.challenge("abierce");
        same(place.fault("Users", &response(&number, "wrong"), None), (1, "Invalid repsonse"));
    }
    let number = place.challenge("abierce");
    let (code, text) = place.fault("Users", &response(&number, PASSWORD), None);
    assert!(code == 1 && text.contains("wait"), "{text}");
    let form =
        json!({"sessionTemplate": {"href": "session-template/internal", "username": "abierce", "password": PASSWORD}});
    let _ = place.agent.send_as(None, "POST", "session", Some(&form.to_string())).expect(429);
}

#[test]
fn an_agent_without_an_authority_signs_nobody_in_and_says_why() {
    let place = Testbed::without_area(start());
    place.user("abierce");
    let number = place.challenge("abierce");
    let (code, text) = place.fault("Users", &response(&number, PASSWORD), None);
    assert!(code == 3 && text.contains("area"), "{text}");
    let (code, _) = place.fault("ApiInfo", "<n:getServerCertificate/>", None);
    assert_eq!(code, 6);
}

#[test]
fn the_door_is_closed_unless_it_is_opened() {
    let agent = Start::new().agent();
    assert!(!agent.log().contains("deter.listen"));
    let answer = mf2c_tests::curl(["-k", &format!("https://{}/axis2/services/ApiInfo/getVersion", agent.https())]);
    let _ = answer.expect(404);
}
