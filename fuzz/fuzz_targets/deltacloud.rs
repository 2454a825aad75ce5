//! Whatever a stranger sends to the door for Deltacloud's clients is read or refused: paths, `Accept`, forms, credentials and
//! public keys. What is read can be written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_domain::people::keyring::{check_name, id_of};
use mf2c_facade::deltacloud::Credentials;
use mf2c_facade::deltacloud::accept::{Format, negotiate};
use mf2c_facade::deltacloud::form::Parameters;
use mf2c_facade::deltacloud::path::{Place, Target};
use mf2c_pki::ssh::{PublicKey, pkcs1_of, pkcs8_of};

fn path(text: &str) {
    let target = Target::read(text);
    assert!(!target.place.methods().is_empty());
    if let Place::Key(name) = target.place {
        assert!(!name.is_empty() && name != "new");
        if check_name(&name).is_ok() {
            assert!(id_of("jane", &name).is_ok());
        }
    }
}

fn accept(text: &str) {
    let (format, header) = text.split_once('\n').map_or((None, text), |(format, header)| (Some(format), header));
    for offered in [&Format::ALL[..], &[Format::Html]] {
        if let Some(chosen) = negotiate(format, Some(header), offered) {
            assert!(offered.contains(&chosen));
        }
    }
}

/// The first line is the content type.
fn form(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (kind, body) = data.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let kind = std::str::from_utf8(kind).ok();
    for kind in [kind, Some("multipart/form-data; boundary=x"), Some("application/x-www-form-urlencoded")] {
        let Ok(read) = Parameters::of_body(kind, body) else { continue };
        let names: Vec<&str> = read.names().collect();
        for (at, name) in names.iter().enumerate() {
            assert!(read.get(name).is_some() && !names[..at].contains(name), "{name}");
        }
    }
    let framed = [b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n", body, b"\r\n--x--"].concat();
    let framed = Parameters::of_body(Some("multipart/form-data; boundary=x"), &framed);
    if std::str::from_utf8(body).is_ok() && !body.windows(3).any(|piece| piece == b"--x") {
        assert_eq!(framed.ok().as_ref().and_then(|read| read.get("a")).map(str::as_bytes), Some(body));
    }
}

fn key(text: &str, data: &[u8]) {
    if let Ok(read) = PublicKey::parse(text) {
        let again = PublicKey::parse(&read.openssh()).expect("what was written is read");
        assert_eq!((again.fingerprint(), again.info()), (read.fingerprint(), read.info()));
    }
    let _ = PublicKey::from_pkcs1(data);
    if let Some(pkcs1) = pkcs1_of(data) {
        assert_eq!(pkcs1_of(&pkcs8_of(pkcs1)), Some(pkcs1));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    match which % 5 {
        0 => path(&text),
        1 => accept(&text),
        2 => form(data),
        3 => {
            if let Some(read) = Credentials::read(data) {
                assert!(!read.name.is_empty() && !read.name.contains(':'));
            }
        }
        _ => key(&text, data),
    }
});
