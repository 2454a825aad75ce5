//! What keys are: D-07, D-09, D-11 to D-25, D-29, D-31 and D-33, and the client of PyPI.

use std::process::Command;

use mf2c_tests::{python, run};
use serde_json::{Value, json};

use super::place::{PASSWORD, Place, child, tags, text, xml};

/// The private key in a document.
fn pem(key: &Value) -> String {
    text(key, "pem").to_owned()
}

#[test]
fn d_12_d_13_and_d_33_a_new_pair_is_shown_once_and_is_good() {
    let place = Place::new();
    // The seed's request, byte for byte but for host and password.
    let made = place.jane(
        &["-H", "Content-Type: application/x-www-form-urlencoded", "--data-binary", "name=jsmith_new_key"],
        "/api/keys?format=xml",
    );
    let made = made.expect(201);
    assert_eq!(made.header("content-type").as_deref(), Some("application/xml"));
    assert_eq!(made.header("location"), Some(place.url("/api/keys/jsmith_new_key")));
    let key = xml(&made.text());
    let href = place.url("/api/keys/jsmith_new_key");
    assert_eq!(key["attributes"], json!({"href": href, "id": "jsmith_new_key", "type": "key"}));
    assert_eq!(tags(&key), ["name", "actions", "fingerprint", "pem", "state"]);
    let destroy = &child(&key, "actions").unwrap()["children"][0]["attributes"];
    assert_eq!(*destroy, json!({"href": href, "method": "delete", "rel": "destroy"}));
    assert_eq!((text(&key, "state"), text(&key, "name")), ("AVAILABLE", "jsmith_new_key"));
    assert!(made.text().contains("<pem><![CDATA[-----BEGIN RSA PRIVATE KEY-----\n"), "{}", made.text());
    assert_eq!(made.text().matches("<pem>").count(), 1);
    let fingerprint = text(&key, "fingerprint");
    let file = place.file("key.pem", &format!("{}\n", pem(&key)));
    let openssl = place.shell("openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER | openssl sha1 -c");
    assert!(openssl.ends_with(fingerprint) && fingerprint.len() == 59, "{openssl} {fingerprint}");
    assert!(place.shell("openssl rsa -in key.pem -check -noout 2>&1").contains("ok"));
    assert!(place.shell("openssl rsa -in key.pem -text -noout").contains("2048 bit"));
    // What is stored is its public half, and nothing of the private one is anywhere.
    let shown = place.jane(&["-H", "Accept: application/json"], "/api/keys/jsmith_new_key").expect(200).json();
    let public = shown["key"]["public_key"].as_str().unwrap();
    assert_eq!(place.shell(&format!("ssh-keygen -y -f {}", file.display())), public);
    let again = place.jane(&[], "/api/keys/jsmith_new_key?format=xml").expect(200).text();
    assert_eq!(tags(&xml(&again)), ["name", "actions", "fingerprint", "state"]);
    assert_eq!(text(&xml(&again), "fingerprint"), fingerprint);
    let secret = pem(&key).lines().nth(3).unwrap().to_owned();
    let list = place.jane(&[], "/api/keys?format=xml").expect(200).text();
    assert!(!list.contains("pem") && xml(&list)["children"][0] == xml(&again), "{list}");
    let cimi = place.agent.send("GET", "credential", None).expect(200).text();
    for told in [again, list, cimi, place.agent.log(), place.jane(&[], "/api/keys/jsmith_new_key").text()] {
        assert!(!told.contains(&secret), "{told}");
    }
}

#[test]
fn d_01_the_fingerprint_of_the_printed_key_is_the_printed_one_by_openssl_as_well() {
    let place = Place::new();
    let printed = include_str!("../../../src/pki/src/ssh/tests/printed.pem");
    let _ = place.file("printed.pem", printed);
    let said = place.shell("openssl pkcs8 -topk8 -nocrypt -in printed.pem -outform DER | openssl sha1 -c");
    assert!(said.ends_with("c6:80:5c:0a:b8:66:0d:58:5a:bf:0f:c2:5d:35:d3:c7:49:f3:5a:5f"), "{said}");
}

#[test]
fn d_11_d_14_to_d_17_and_d_24_names_come_in_every_form_and_are_given_once() {
    let place = Place::new();
    let empty = place.jane(&[], "/api/keys?format=xml").expect(200);
    assert_eq!(xml(&empty.text()), json!({"tag": "keys", "attributes": {}, "text": "", "children": []}));
    assert_eq!(place.jane(&[], "/api/keys?format=json").expect(200).json(), json!({"keys": []}));
    assert_eq!(text(&xml(&place.jane(&["-F", "name=k2"], "/api/keys?format=xml").expect(201).text()), "name"), "k2");
    // As the client in Ruby sends it.
    let _ = place.jane(&["-X", "POST", "-H", "Content-Length: 0"], "/api/keys?format=xml&name=k3").expect(201);
    let _ = place.jane(&["-d", "name=k4"], "/api/keys?format=xml&name=ignored").expect(201);
    assert_eq!(place.names("jane"), ["k2", "k3", "k4"]);
    let missing = place.jane(&["-X", "POST", "-d", ""], "/api/keys").expect(400);
    assert_eq!(missing.text(), "Required parameter 'name' not found in []");
    assert_eq!(missing.header("content-type").as_deref(), Some("text/html;charset=utf-8"));
    let other = place.jane(&["-d", "keyname=<b>"], "/api/keys?format=xml").expect(400);
    assert_eq!(other.text(), "Required parameter 'name' not found in [keyname, format]");
    let twice = place.jane(&["-d", "name=k2"], "/api/keys?format=xml").expect(403);
    let error = xml(&twice.text());
    assert_eq!((text(&error, "code"), text(&error, "message")), ("403", "Key with same name already exists"));
    for (id, expected) in [("k3", vec!["k3"]), ("none", vec![]), ("K3", vec![])] {
        let filtered = xml(&place.jane(&[], &format!("/api/keys?format=xml&id={id}")).expect(200).text());
        let ids: Vec<&str> = filtered["children"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["attributes"]["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected);
    }
}

#[test]
fn d_18_and_d_19_a_public_key_is_taken_in_every_form_that_openssh_and_openssl_write() {
    let place = Place::new();
    for (kind, options) in [("rsa", "-b 2048"), ("ed25519", ""), ("ecdsa", "-b 384")] {
        let _ = place.shell(&format!("ssh-keygen -q -t {kind} {options} -N '' -C jane -f {kind}"));
    }
    let _ = place.shell("ssh-keygen -e -m PKCS8 -f rsa.pub > rsa.pem");
    let line = place.shell("cat rsa.pub");
    let md5 = place.shell("openssl pkey -pubin -in rsa.pem -outform DER | openssl md5 -c");
    for (name, file) in [("line", "rsa.pub"), ("pem", "rsa.pem")] {
        let sent = format!("public_key@{}", place.folder.path().join(file).display());
        let made = place.jane(&["-d", &format!("name={name}"), "--data-urlencode", &sent], "/api/keys?format=xml");
        let key = xml(&made.expect(201).text());
        assert_eq!(tags(&key), ["name", "actions", "fingerprint", "state"]);
        let fingerprint = text(&key, "fingerprint");
        assert!(fingerprint.len() == 47 && md5.ends_with(fingerprint), "{fingerprint} {md5}");
    }
    assert!(place.list("jane").iter().all(|key| line.starts_with(key["public_key"].as_str().unwrap())));
    for kind in ["ed25519", "ecdsa"] {
        let sent = format!("public_key=<{}", place.folder.path().join(format!("{kind}.pub")).display());
        let made = place.jane(&["-F", &format!("name={kind}"), "-F", &sent], "/api/keys?format=json").expect(201);
        let fingerprint = made.json()["key"]["fingerprint"].as_str().unwrap().to_owned();
        let said = place.shell(&format!("ssh-keygen -l -f {kind}.pub"));
        assert!(
            said.contains(&format!(" {fingerprint} ")) && fingerprint.starts_with("SHA256:"),
            "{fingerprint} {said}"
        );
    }
    let private = place.shell("cat rsa");
    for (sent, told) in
        [("garbage", "no public key"), (&private, "a private key"), ("ssh-dss AAAAB3NzaC1kc3M=", "ssh-dss")]
    {
        let refused =
            place.jane(&["-d", "name=bad", "--data-urlencode", &format!("public_key={sent}")], "/api/keys?format=json");
        let message = refused.expect(400).message();
        assert!(message.contains(told) && !message.contains("BEGIN OPENSSH"), "{message}");
    }
    assert_eq!(place.names("jane").len(), 4);
}

#[test]
fn d_20_and_d_21_what_is_not_there_is_said_and_what_is_deleted_is_gone() {
    let place = Place::new();
    let error = xml(&place.jane(&[], "/api/keys/foo?format=xml").expect(404).text());
    assert_eq!(error["attributes"], json!({"status": "404", "url": "/api/keys/foo"}));
    assert_eq!(tags(&error), ["backend", "code", "message", "backtrace", "request"]);
    assert_eq!((text(&error, "code"), text(&error, "message"), text(&error, "backtrace")), ("404", "Not Found", ""));
    let id = &child(&error, "request").unwrap()["children"][0];
    assert_eq!((&id["attributes"]["name"], &id["text"]), (&json!("id"), &json!("\"foo\"")));
    assert_eq!(child(&error, "backend").unwrap()["attributes"], json!({"driver": "mf2c", "provider": "default"}));
    let error = place.jane(&[], "/api/keys/foo?format=json").expect(404).json();
    assert_eq!(error, json!({"code": 404, "message": "Not Found", "error": "Deltacloud::Exceptions::ObjectNotFound"}));
    let _ = place.make("jsmith_new_key");
    let gone = place.jane(&["-X", "DELETE"], "/api/keys/jsmith_new_key?format=xml").expect(204);
    assert_eq!((gone.body.len(), gone.header("content-type")), (0, None));
    let _ = place.jane(&[], "/api/keys/jsmith_new_key?format=xml").expect(404);
    let _ = place.jane(&["-X", "DELETE"], "/api/keys/jsmith_new_key?format=xml").expect(404);
    let _ = place.make("jsmith_new_key");
}

#[test]
fn d_22_a_page_deletes_by_a_form() {
    let place = Place::new();
    let _ = place.make("k2");
    let page = place.jane(&[], "/api/keys").expect(200).text();
    assert!(page.contains("value=\"delete\"") && page.contains(&place.url("/api/keys/k2")), "{page}");
    let moved = place.jane(&["-d", "_method=delete"], "/api/keys/k2").expect(302);
    assert_eq!(moved.header("location"), Some(place.url("/api/keys")));
    let _ = place.make("k3");
    let _ = place.jane(&["-F", "_method=DELETE"], "/api/keys/k3?format=xml").expect(204);
    let _ = place.make("k4");
    let _ = place.jane(&["-d", "x=y"], "/api/keys/k4?format=xml").expect(405);
    assert_eq!(place.names("jane"), ["k4"]);
}

#[test]
fn d_23_a_login_is_shown_to_its_owner_and_cannot_be_deleted_here() {
    let place = Place::new();
    let form = json!({"href": "credential-template/store-username-password", "username": "26648",
        "password": "3woc7UWdJsJEcm8@]]>"});
    let form = json!({"credentialTemplate": form, "name": "72398"}).to_string();
    let id = place.agent.send_as(Some("jane USER"), "POST", "credential", Some(&form)).expect(201).id();
    let shown = place.jane(&[], "/api/keys/72398?format=xml").expect(200).text();
    let key = xml(&shown);
    assert_eq!(key["attributes"], json!({"href": place.url("/api/keys/72398"), "id": "72398", "type": "password"}));
    assert_eq!(tags(&key), ["name", "actions", "username", "password", "state"]);
    assert_eq!(
        (text(&key, "username"), text(&key, "password"), text(&key, "state")),
        ("26648", "3woc7UWdJsJEcm8@]]>", "")
    );
    assert!(
        shown.contains("<actions></actions>") && shown.contains("<username><![CDATA[26648]]></username>"),
        "{shown}"
    );
    let listed = &place.list("jane")[0];
    assert_eq!((&listed["credential_type"], &listed["password"]), (&json!("password"), &json!("3woc7UWdJsJEcm8@]]>")));
    let _ = place.jane(&["-X", "DELETE"], "/api/keys/72398?format=xml").expect(501);
    let _ = place.jane(&["-d", "name=72398"], "/api/keys?format=xml").expect(403);
    let _ = place.of("joe", &[], "/api/keys/72398?format=xml").expect(404);
    // In CIMI nobody reads the password again.
    let cimi = place.agent.send_as(Some("jane USER"), "GET", &id, None).expect(200).text();
    assert!(!cimi.contains("3woc7") && cimi.contains("26648"), "{cimi}");
    let _ = place.agent.send_as(Some("jane USER"), "DELETE", &id, None).expect(200);
    let _ = place.jane(&[], "/api/keys/72398?format=xml").expect(404);
}

#[test]
fn d_25_and_d_29_every_key_is_where_it_says_whatever_its_name_is() {
    let place = Place::new();
    let names = ["<b>&", "a b", "a/b", "100%", "k;driver=x", "\"'", "ключ", "a?b#c", "...", "]]>"];
    let _ = place.shell("ssh-keygen -q -t ed25519 -N '' -f k");
    let public = format!("public_key=<{}", place.folder.path().join("k.pub").display());
    for name in names {
        let body = format!("name={name}");
        let _ = place.jane(&["--form-string", &body, "-F", &public], "/api/keys?format=xml").expect(201);
    }
    let list = place.jane(&[], "/api/keys?format=xml").expect(200).text();
    let keys = xml(&list);
    let keys = keys["children"].as_array().unwrap();
    assert_eq!(keys.len(), names.len());
    for key in keys {
        let (href, id) = (key["attributes"]["href"].as_str().unwrap(), key["attributes"]["id"].as_str().unwrap());
        assert!(names.contains(&id) && text(key, "name") == id, "{id}");
        let path = href.strip_prefix(&place.url("")).unwrap();
        assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/%-._~".contains(&byte)), "{path}");
        let shown = xml(&place.jane(&[], &format!("{path}?format=xml")).expect(200).text());
        assert_eq!(shown, *key);
        let page = place.jane(&[], path).expect(200).text();
        assert!(!page.contains("<b>&") && !page.contains("\"'\""), "{page}");
    }
    assert!(list.contains("id='&lt;b&gt;&amp;'") && list.contains("/api/keys/%3Cb%3E%26'"), "{list}");
    for key in place.list("jane") {
        let path = key["href"].as_str().unwrap().strip_prefix(&place.url("")).unwrap();
        let _ = place.jane(&["-X", "DELETE"], &format!("{path}?format=xml")).expect(204);
    }
    assert!(place.names("jane").is_empty());
}

#[test]
fn d_09_and_d_31_json_has_what_clients_look_for() {
    let place = Place::new();
    let made = place.jane(&["-d", "name=k", "-H", "Accept: application/json"], "/api/keys").expect(201).json();
    let pem = made["key"]["pem_rsa_key"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "{pem}");
    let listed = &place.list("jane")[0];
    assert_eq!((&listed["id"], &listed["href"]), (&json!("k"), &json!(place.url("/api/keys/k"))));
    assert_eq!((&listed["credential_type"], &listed["state"]), (&json!("key"), &json!("AVAILABLE")));
    assert_eq!(listed["fingerprint"], made["key"]["fingerprint"]);
    for absent in ["pem_rsa_key", "username", "password"] {
        assert_eq!(listed.get(absent), Some(&Value::Null), "{absent}");
    }
}

#[test]
fn the_client_of_pypi_lists_keys() {
    let place = Place::new();
    let _ = place.make("deltacloud_jsmith");
    let python = python("test-python-deltacloud", &["deltacloud==0.9.1", "requests==2.32.5"]);
    let script = "import sys, deltacloud
url, password = sys.argv[1:]
client = deltacloud.Deltacloud(url, 'jane', password)
assert client.valid_credentials()
assert not deltacloud.Deltacloud(url, 'jane', 'wrong password').valid_credentials()
for key in client.keys():
    print(key.id, key.fingerprint, key.pem)";
    let mut command = Command::new(python);
    command.args(["-c", script, &place.url("/api"), PASSWORD]);
    let fingerprint = place.list("jane")[0]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(run(command).expect(0).out.trim(), format!("deltacloud_jsmith {fingerprint} None"));
}
