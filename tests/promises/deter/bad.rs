//! Requests that nobody should send: refused with a fault, and the next one is answered.

use super::place::{NEW, OLD, Testbed, element, envelope};

#[test]
fn documents_that_are_no_request_are_refused_and_the_next_is_answered() {
    let place = Testbed::new();
    let bomb = "<!DOCTYPE a [<!ENTITY b \"x\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>";
    let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    let file = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>";
    let echo = "<n:echo><n:param>&b;</n:param></n:echo>";
    for (document, words) in [
        (String::new(), "no element"),
        ("{}".to_owned(), "malformed"),
        (format!("{bomb}{}", envelope(NEW, echo).split_once("?>").unwrap().1), "document type"),
        (format!("{file}{}", envelope(NEW, echo).split_once("?>").unwrap().1), "document type"),
        (envelope(NEW, echo), "entity `b`"),
        (envelope(NEW, &deep), "deeper"),
        (envelope("urn:soap", "<n:echo/>"), "no version that is known"),
        (envelope(NEW, "<x:echo xmlns:x=\"urn:x\"/>"), "another namespace"),
        (envelope(NEW, ""), "Body is empty"),
        (envelope(NEW, "<n:echo/><n:echo/>"), "several elements"),
        (envelope(NEW, "<n:nothing/>"), "ApiInfo has no operation nothing"),
        (envelope(NEW, "<n:requestChallenge/>"), "ApiInfo has no operation requestChallenge"),
        (envelope(NEW, "<n:echo><n:param>a</n:param><n:param>b</n:param></n:echo>"), "more than once"),
        (envelope(OLD, "<n:echo>"), "malformed"),
    ] {
        let answer = place.post("ApiInfo", "application/soap+xml", &document, None).expect(500);
        let text = answer.text();
        assert!(text.contains(words), "{words}: {text}");
        assert!(text.contains("soapenv:Sender") || text.contains("VersionMismatch") || text.contains("soapenv:Client"));
        assert_eq!(answer.header("connection").as_deref(), Some("close"));
    }
    let text = place.reply("ApiInfo", "<n:echo><n:param>still here</n:param></n:echo>", None);
    assert_eq!(element(&text, "return"), Some("still here"));
}

#[test]
fn values_of_the_wrong_kind_are_named() {
    let place = Testbed::new();
    let of =
        |name: &str, value: &str| format!("<n:challengeResponse><n:{name}>{value}</n:{name}></n:challengeResponse>");
    let (status, text) = place.call("Users", &of("challengeID", "challenge"), None);
    assert!(
        text.contains("Invalid value \"challenge\" for element challengeID".replace('"', "&quot;").as_str()),
        "{text}"
    );
    assert!(status == 500 && text.contains("<soapenv:Detail></soapenv:Detail>") && text.contains("soapenv:Sender"));
    let (status, text) = place.call("Users", &of("responseData", "?not base64?"), None);
    assert!(status == 500 && text.contains("for element responseData"), "{text}");
    let (status, _) = place.call("Users", &of("challengeID", "<b/>"), None);
    assert_eq!(status, 500);
}

#[test]
fn wrong_verbs_media_types_and_sizes_are_refused() {
    let place = Testbed::new();
    for path in [
        "Users/challengeResponse?responseData=c2VjcmV0&challengeID=1",
        "Users/changePassword?uid=a&newPass=b",
        "Users/changePasswordChallenge?challengeID=1&newPass=b",
        "Users",
    ] {
        let answer = place.curl(path, None, &[]).expect(405);
        assert_eq!(answer.header("allow").as_deref(), Some("POST"), "{path}");
    }
    for verb in ["PUT", "DELETE", "PATCH"] {
        let _ = place.curl("ApiInfo", None, &["-X", verb]).expect(405);
    }
    for media in ["application/json", "text/plain", "multipart/related", "text/xml2"] {
        let _ = place.post("ApiInfo", media, &envelope(NEW, "<n:getVersion/>"), None).expect(415);
    }
    for path in ["", "Nobody", "../../etc/passwd", "Users/../Users", "%2e%2e/x"] {
        assert!([404, 405].contains(&place.curl(path, None, &["--path-as-is"]).status), "{path}");
    }
    // An operation that there is not, named by the address: a fault of the sender, as by the envelope.
    let answer = place.curl("Users/nothing", None, &[]).expect(500);
    assert!(answer.text().contains("soapenv:Sender") && answer.text().contains("Users has no operation nothing"));
    let answer = place.post("Users/nothing", "text/xml", &envelope(OLD, "<n:nothing/>"), None).expect(500);
    assert!(answer.text().contains("soapenv:Client") && answer.text().contains("Users has no operation nothing"));
    let large = envelope(NEW, &format!("<n:echo><n:param>{}</n:param></n:echo>", "x".repeat(11 << 20)));
    let answer = place.post("ApiInfo", "application/soap+xml", &large, None).expect(413);
    assert!(answer.text().contains("too large") && answer.text().contains("Fault"), "{}", answer.text());
    let fits = envelope(NEW, &format!("<n:echo><n:param>{}</n:param></n:echo>", "x".repeat(9 << 20)));
    // Strangers have nothing large to say.
    let answer = place.post("ApiInfo", "application/soap+xml", &fits, None).expect(413);
    assert!(answer.text().contains("too large"), "{}", answer.text());
    place.user("abierce");
    let shown = place.login("abierce");
    // What is escaped counts as it is written.
    let quoted = envelope(NEW, &format!("<n:echo><n:param>{}</n:param></n:echo>", "\"".repeat(3 << 20)));
    let answer = place.post("ApiInfo", "application/soap+xml", &quoted, Some(&shown)).expect(500);
    assert!(answer.text().contains("more than 16 MiB"), "{}", answer.text());
    let answer = place.post("ApiInfo", "application/soap+xml", &fits, Some(&shown)).expect(200);
    assert!(answer.text().len() > 9 << 20);
}

#[test]
fn a_flood_of_challenges_keeps_nobody_else_out_for_good_and_loses_nothing() {
    let place = Testbed::new();
    place.user("abierce");
    let held = place.login("abierce");
    for number in 0..15 {
        place.user(&format!("user{number}"));
    }
    let open = place.challenge("abierce");
    let mut refused = 0;
    for number in 0..15 {
        let ask = format!("<n:requestChallenge><n:uid>user{number}</n:uid></n:requestChallenge>");
        refused += (0..6).filter(|_| place.call("Users", &ask, None).0 == 500).count();
    }
    assert!(refused >= 15, "{refused}");
    let reply = place.reply("Users", &super::place::response(&open, super::place::PASSWORD), None);
    assert!(element(&reply, "return").is_some(), "what was open before can be answered");
    assert!(place.reply("Users", super::PROFILE, Some(&held)).contains("abierce"));
}
