//! Bad input: verbs, media types, forms and names that are not what they should be, path tricks, pages of others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use super::place::Place;

#[test]
fn forms_that_cannot_be_read_are_refused_with_the_reason() {
    let place = Place::new();
    let big = place.file("big", &format!("name={}", "x".repeat(70_000)));
    let big = format!("@{}", big.display());
    let json = "Content-Type: application/json";
    let multipart = "Content-Type: multipart/form-data; boundary=x";
    for (arguments, status, told) in [
        (&["-H", json, "-d", "{\"name\": \"k\"}"][..], 415, "content type"),
        (&["-H", "Content-Type: text/xml", "-d", "<name/>"], 415, "content type"),
        (&["-d", "name=%zz"], 400, "cannot be read"),
        (&["-d", "name=%ff"], 400, "cannot be read"),
        (&["-d", "name=a&name=b"], 400, "comes twice"),
        (&["-H", multipart, "--data-binary", "name=k"], 400, "boundary"),
        (&["-H", "Content-Type: multipart/form-data", "--data-binary", "name=k"], 400, "boundary"),
        (&["--data-binary", &big], 413, "too large"),
        (&["-d", "name="], 400, "is empty"),
        (&["-d", "name=new"], 400, "means something else"),
        (&["-d", "name=a%00b"], 400, "control character"),
        (&["--data-urlencode", "name= k"], 400, "white space"),
        (&["-H", "Content-Encoding: gzip", "-d", "name=k"], 415, "encoded"),
    ] {
        let answer = place.jane(arguments, "/api/keys?format=json").expect(status);
        assert!(answer.message().contains(told), "{arguments:?}: {}", answer.text());
    }
    let long = format!("name={}", "n".repeat(256));
    assert!(place.jane(&["-d", &long], "/api/keys?format=json").expect(400).message().contains("256 bytes"));
    assert!(place.names("jane").is_empty());
    for path in ["/api/keys?id=%zz", "/api?format=xml&format=json"] {
        let _ = place.jane(&[], path).expect(400);
    }
}

#[test]
fn paths_lead_nowhere_but_where_they_say() {
    let place = Place::new();
    for path in [
        "/api/../api/keys",
        "/api/keys/../../etc/passwd",
        "/api/keys/..%2f..%2fetc%2fpasswd",
        "/api//keys",
        "/api/keys/%00",
        "/api/keys/%ff",
        "/api/instances",
        "/API/keys",
        "/cloud-entry-point",
        "/api/credential",
        "/api/keys/a/b",
    ] {
        let answer = place.jane(&["-H", "Accept: application/json"], path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    let long = format!("/api/keys/{}", "x".repeat(20_000));
    let _ = place.jane(&[], &long).expect(414);
    let markup = place.jane(&[], "/api/keys/%3Cscript%3E").expect(404).text();
    assert!(!markup.contains("<script>"), "{markup}");
}

#[test]
fn a_request_without_a_host_is_told_so() {
    let place = Place::new();
    for request in ["GET /api HTTP/1.1\r\n\r\n", "GET /api HTTP/1.0\r\n\r\n"] {
        let mut stream = TcpStream::connect(&place.door).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        assert!(said.starts_with("HTTP/1.1 400") || said.starts_with("HTTP/1.0 400"), "{said}");
        assert!(said.contains("Unable to find HTTP Host header"), "{said}");
    }
    // And a name that could break out of an address is none.
    let odd = place.ask(&["-H", "Host: a'><script>"], "/api?format=xml");
    assert!(!odd.text().contains("<script>"), "{}", odd.text());
}

#[test]
fn pages_of_others_cannot_use_a_password_that_the_browser_knows() {
    let place = Place::new();
    let _ = place.make("k");
    for header in ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        let _ = place.jane(&["-H", header, "-d", "name=x"], "/api/keys").expect(403);
        let _ = place.jane(&["-H", header, "-d", "_method=delete"], "/api/keys/k").expect(403);
        let _ = place.jane(&["-H", header, "-X", "DELETE"], "/api/keys/k").expect(403);
    }
    let own = format!("Origin: http://{}", place.door);
    let _ = place.jane(&["-H", &own, "-H", "Sec-Fetch-Site: same-origin", "-d", "name=x"], "/api/keys").expect(201);
    assert_eq!(place.names("jane"), ["k", "x"]);
}

#[test]
fn of_many_that_want_one_name_at_once_one_gets_it() {
    let place = Arc::new(Place::new());
    let _ = place.jane(&[], "/api/keys").expect(200);
    let asking = (0..6).map(|_| {
        let place = Arc::clone(&place);
        thread::spawn(move || place.jane(&["-d", "name=k"], "/api/keys?format=json").status)
    });
    let asking: Vec<_> = asking.collect();
    let mut statuses: Vec<u16> = asking.into_iter().map(|one| one.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403, 403, 403, 403, 403]);
    assert_eq!(place.names("jane"), ["k"]);
}
