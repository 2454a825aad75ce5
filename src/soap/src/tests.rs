//! Envelopes as clients of the original send them, and as nobody should; replies as the original's were recorded.

use proptest::prelude::*;

use crate::{
    Detail, Envelope, Field, Form, Gives, Kind, MOST_BYTES, ObjectType, Operation, PAYLOAD, Refusal, Request, SOAP_11,
    SOAP_12, Service, Side, TARGETS, Value, Version,
};

static MEMBER: ObjectType =
    ObjectType { name: "Member", fields: &[Field::text("uid"), Field::text("permissions").or(&["perms"]).many()] };

static PROJECT: ObjectType = ObjectType {
    name: "ProjectDescription",
    fields: &[
        Field::text("projectId"),
        Field::flag("approved"),
        Field::object("members", &MEMBER).many(),
        Field::text("owner"),
        Field::text("ACL"),
    ],
};

static CHALLENGE: ObjectType = ObjectType {
    name: "UserChallenge",
    fields: &[Field::long("challengeID"), Field::bytes("data"), Field::text("type")],
};

static SERVICE: Service = Service {
    name: "Users",
    target_namespace: TARGETS[0],
    operations: &[
        Operation::reading("echo", &[Field::text("param")], Gives::one(Kind::Text)),
        Operation::new(
            "requestChallenge",
            &[Field::text("uid").or(&["userid"]), Field::text("types").many()],
            Gives::object(&CHALLENGE),
        ),
        Operation::new(
            "challengeResponse",
            &[Field::bytes("responseData"), Field::long("challengeID")],
            Gives::one(Kind::Bytes),
        ),
        Operation::new("addMembers", &[Field::object("members", &MEMBER).many(), Field::int("rights")], Gives::done()),
        Operation::new(
            "viewProjects",
            &[Field::flag("all"), Field::new("share", Kind::Double)],
            Gives::objects(&PROJECT),
        ),
    ],
};

const V11: Form = Form::Soap(Version::V11);
const V12: Form = Form::Soap(Version::V12);

fn enveloped(space: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"{space}\" xmlns:n=\"{PAYLOAD}\"><e:Body>{body}</e:Body></e:Envelope>"
    )
}

fn read(document: &str) -> Result<(Form, String, Result<Request, Refusal>), Refusal> {
    let envelope = Envelope::read(document.as_bytes(), V11)?;
    let operation = SERVICE.operation(envelope.operation()).unwrap();
    Ok((envelope.form(), envelope.operation().to_owned(), envelope.request(operation)))
}

fn request(body: &str) -> Request {
    read(&enveloped(SOAP_12, body)).unwrap().2.unwrap()
}

fn fault(body: &str) -> String {
    read(&enveloped(SOAP_12, body)).unwrap().2.unwrap_err().reason
}

fn refusal(document: &str) -> Refusal {
    Envelope::read(document.as_bytes(), V12).unwrap_err()
}

#[test]
fn the_version_follows_the_envelope() {
    let body = "<n:echo><n:param>x</n:param></n:echo>";
    for (space, form) in [(SOAP_11, V11), (SOAP_12, V12)] {
        let (found, operation, request) = read(&enveloped(space, body)).unwrap();
        assert_eq!((found, operation.as_str(), request.unwrap().text("param")), (form, "echo", Some("x")));
    }
    let other = refusal(&enveloped("http://www.w3.org/2001/12/soap-envelope", body));
    assert_eq!((other.side, other.form), (Side::VersionMismatch, V12));
    assert_eq!(refusal(&enveloped("", body)).side, Side::Sender, "a prefix cannot be bound to nothing");
}

#[test]
fn children_come_in_any_order_qualified_or_not_under_any_of_their_names() {
    for body in [
        "<n:requestChallenge><n:uid>abierce</n:uid><n:types>clear</n:types><n:types>masked</n:types></n:requestChallenge>",
        "<requestChallenge><types>clear</types><UserID>abierce</UserID><types>masked</types></requestChallenge>",
        "<n:requestChallenge><n:types>clear</n:types><extra><deep/></extra><uid>abierce</uid><types>masked</types></n:requestChallenge>",
        "<n:requestChallenge xmlns:x=\"urn:x\"><x:uid>eve</x:uid><n:uid>ab<!-- c --><![CDATA[ier]]>ce</n:uid>\
         <n:types>clear</n:types><n:types>masked</n:types></n:requestChallenge>",
        "<requestChallenge xmlns=\"http://api.testbed.deterlab.net/\"><uid>abierce</uid><types>clear</types>\
         <types>masked</types></requestChallenge>",
    ] {
        let request = request(body);
        assert_eq!(request.text("uid"), Some("abierce"), "{body}");
        assert_eq!(request.texts("types").collect::<Vec<_>>(), ["clear", "masked"], "{body}");
    }
}

#[test]
fn nil_is_absent_and_empty_is_there() {
    let nil = "<n:echo xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><n:param i:nil=\"true\"/></n:echo>";
    assert!(!request(nil).has("param"));
    assert_eq!(request("<n:echo><n:param/></n:echo>").text("param"), Some(""));
    assert_eq!(request("<n:echo/>").text("param"), None);
    assert_eq!(
        request("<n:echo><n:param>a&lt;&amp;&gt;b&#228;&#x1F600;</n:param></n:echo>").text("param"),
        Some("a<&>bä😀")
    );
    assert_eq!(request("<n:echo><n:param> a\r\nb\rc </n:param></n:echo>").text("param"), Some(" a\nb\nc "));
}

#[test]
fn values_are_read_by_their_kind_and_wrong_ones_are_named() {
    let good = request(
        "<n:challengeResponse><responseData>c2Vj\n cmV0</responseData><challengeId> -42 </challengeId></n:challengeResponse>",
    );
    assert_eq!((good.bytes("responseData"), good.long("challengeID")), (Some(&b"secret"[..]), Some(-42)));
    let unpadded = request("<n:challengeResponse><responseData>c2VjcmV0cw</responseData></n:challengeResponse>");
    assert_eq!(unpadded.bytes("responseData"), Some(&b"secrets"[..]));
    let of = |element: &str, value: &str| {
        fault(&format!("<n:challengeResponse><{element}>{value}</{element}></n:challengeResponse>"))
    };
    assert_eq!(of("challengeID", "challenge"), "Invalid value \"challenge\" for element challengeID");
    assert_eq!(
        of("challengeID", "9223372036854775808"),
        "Invalid value \"9223372036854775808\" for element challengeID"
    );
    assert_eq!(of("responseData", "!!!"), "Invalid value \"!!!\" for element responseData");
    assert!(of("challengeID", &"9".repeat(1000)).len() < 300);
    let flags = request("<n:viewProjects><all>1</all><share>0.5</share></n:viewProjects>");
    assert_eq!((flags.flag("all"), flags.double("share")), (Some(true), Some(0.5)));
    assert!(fault("<n:viewProjects><all>perhaps</all></n:viewProjects>").contains("element all"));
    assert_eq!(fault("<n:echo><param><b/></param></n:echo>"), "Element param holds elements: expected a value alone");
    assert_eq!(fault("<n:echo>text</n:echo>"), "Element echo holds text: expected elements");
}

#[test]
fn what_may_be_there_once_is_refused_twice_under_whatever_names() {
    assert_eq!(fault("<n:echo><param>a</param><param>b</param></n:echo>"), "Element param is there more than once");
    let nil = "<param xsi:nil='true' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'/>";
    for doubled in [format!("{nil}<param>b</param>"), format!("<param>b</param>{nil}"), format!("{nil}{nil}")] {
        assert_eq!(fault(&format!("<n:echo>{doubled}</n:echo>")), "Element param is there more than once");
    }
    let both = "<n:requestChallenge><uid>a</uid><userid>b</userid></n:requestChallenge>";
    assert_eq!(fault(both), "Element uid is there more than once");
}

#[test]
fn objects_are_read_with_their_own_tables() {
    let body = "<n:addMembers><n:members><n:uid>a</n:uid><n:perms>X</n:perms><n:permissions>Y</n:permissions></n:members>\
                <n:members><n:uid>b</n:uid></n:members><n:rights>5</n:rights></n:addMembers>";
    let request = request(body);
    let members: Vec<_> =
        request.objects("members").map(|member| (member.text("uid"), member.texts("perms").count())).collect();
    assert_eq!((members, request.int("rights")), (vec![(Some("a"), 2), (Some("b"), 0)], Some(5)));
    assert!(fault("<n:addMembers><members><uid>a</uid><uid>b</uid></members></n:addMembers>").contains("uid"));
    assert!(fault("<n:addMembers><members>text</members></n:addMembers>").contains("holds text"));
}

#[test]
fn whatever_is_no_envelope_is_refused_with_a_sentence() {
    let body = "<n:echo/>";
    let inner = |text: &str| format!("<e:Envelope xmlns:e=\"{SOAP_12}\" xmlns:n=\"{PAYLOAD}\">{text}</e:Envelope>");
    for (document, words) in [
        (String::new(), "no element"),
        ("hello".to_owned(), "malformed"),
        ("<a>".to_owned(), "ends within"),
        ("<a></b>".to_owned(), "malformed"),
        ("<a/><b/>".to_owned(), "second element"),
        ("<a/>".to_owned(), "expected an Envelope"),
        ("<x:a/>".to_owned(), "not bound"),
        ("<!DOCTYPE a><a/>".to_owned(), "document type"),
        ("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_owned(), "document type"),
        ("<a>&x;</a>".to_owned(), "entity `x`"),
        ("<a>&#0;</a>".to_owned(), "entity"),
        ("<a b=\"&x;\"/>".to_owned(), "entity"),
        ("<a b=\"1\" b=\"2\"/>".to_owned(), "malformed"),
        ("<a>\u{1}</a>".to_owned(), "U+0001"),
        ("<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>".to_owned(), "expected UTF-8"),
        ("<a>".repeat(10_000) + &"</a>".repeat(10_000), "deeper"),
        (format!("<a>{}</a>", "<b/>".repeat(60_000)), "more than 50000 elements"),
        (format!("<a {}/>", (0..70).map(|n| format!("a{n}=\"\" ")).collect::<String>()), "attributes"),
        (inner(""), "no Body"),
        (inner("<e:Body/>"), "Body is empty"),
        (inner("<e:Body><n:echo/><n:echo/></e:Body>"), "several elements"),
        (inner("<e:Body><n:echo/></e:Body><e:Body><n:echo/></e:Body>"), "two elements `Body`"),
        (inner("<e:Header/><e:Header/><e:Body><n:echo/></e:Body>"), "two elements `Header`"),
        (inner("<Body><n:echo/></Body>"), "does not belong"),
        (enveloped(SOAP_12, "<x:echo xmlns:x=\"urn:other\"/>"), "another namespace"),
    ] {
        let refused = refusal(&document);
        assert!(refused.reason.contains(words), "{words}: {refused:?}");
        assert_eq!(refused.side, Side::Sender);
        assert!(refused.reason.len() < 300);
    }
    let header = |flag: &str| inner(&format!("<e:Header><n:x {flag}/></e:Header><e:Body>{body}</e:Body>"));
    assert_eq!(refusal(&header("e:mustUnderstand=\"true\"")).side, Side::MustUnderstand);
    assert_eq!(refusal(&header("e:mustUnderstand=\"1\"")).side, Side::MustUnderstand);
    assert!(read(&header("e:mustUnderstand=\"0\"")).is_ok() && read(&header("mustUnderstand=\"1\"")).is_ok());
    assert!(Envelope::read(&[0xff, 0xfe, b'<'], V11).unwrap_err().reason.contains("UTF-8"));
    assert!(Envelope::read(&vec![b' '; MOST_BYTES + 1], V11).unwrap_err().reason.contains("larger than 10 MB"));
}

#[test]
fn an_element_alone_is_read_where_the_media_type_says_so() {
    let bare = format!("<echo xmlns=\"{PAYLOAD}\"><param>x</param></echo>");
    let envelope = Envelope::read(bare.as_bytes(), Form::Bare).unwrap();
    let request = envelope.request(SERVICE.operation("echo").unwrap()).unwrap();
    assert_eq!((envelope.form(), request.text("param")), (Form::Bare, Some("x")));
    let pairs = Request::of_pairs(
        SERVICE.operation("requestChallenge").unwrap(),
        [("USERID", "a"), ("types", "b"), ("x", "y")],
    );
    assert_eq!(pairs.unwrap().text("uid"), Some("a"));
}

#[test]
fn a_reply_is_as_the_originals() {
    let challenge = Value::Object(
        &CHALLENGE,
        vec![("type", "clear".into()), ("data", Value::Nil), ("challengeID", Value::Long(-7_313_040_431_203_911_616))],
    );
    let operation = SERVICE.operation("requestChallenge").unwrap();
    assert_eq!(
        V12.reply(operation, &challenge),
        "<?xml version='1.0' encoding='UTF-8'?>\n<soapenv:Envelope xmlns:soapenv=\"http://www.w3.org/2003/05/soap-envelope\">\
         <soapenv:Body><ns:requestChallengeResponse xmlns:ns=\"http://api.testbed.deterlab.net/xsd\">\
         <ns:return xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"ns:UserChallenge\">\
         <ns:challengeID>-7313040431203911616</ns:challengeID><ns:data xsi:nil=\"true\"/><ns:type>clear</ns:type></ns:return>\
         </ns:requestChallengeResponse></soapenv:Body></soapenv:Envelope>"
    );
    assert_eq!(
        V12.media("requestChallengeResponse"),
        "application/soap+xml; action=\"urn:requestChallengeResponse\";charset=UTF-8"
    );
    let projects = SERVICE.operation("viewProjects").unwrap();
    let member = Value::Object(&MEMBER, vec![("uid", "a".into()), ("permissions", Value::list(["X", "Y"]))]);
    let project =
        Value::Object(&PROJECT, vec![("owner", "a".into()), ("ACL", "c".into()), ("members", Value::list([member]))]);
    let both = Form::Bare.reply(projects, &Value::list([project.clone(), project]));
    assert_eq!(both.matches("<ns:return ").count(), 2);
    let order =
        ["<ns:ACL>", "<ns:members ", "<ns:permissions>X</ns:permissions><ns:permissions>Y", "<ns:uid>", "<ns:owner>"];
    let places: Vec<_> = order.iter().map(|part| both.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{both}");
    let none = Form::Bare.reply(projects, &Value::List(vec![]));
    assert!(none.ends_with(
        "<ns:viewProjectsResponse xmlns:ns=\"http://api.testbed.deterlab.net/xsd\"></ns:viewProjectsResponse>"
    ));
}

#[test]
fn faults_have_the_form_of_their_version() {
    let detail = Detail { service: "Users", code: 2, message: "Badly Formed Request", text: "No such user <unk>" };
    let new = V12.fault(Side::Receiver, None, Some(&detail));
    for part in [
        "<soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:Receiver</soapenv:Value></soapenv:Code><soapenv:Reason>\
         <soapenv:Text xml:lang=\"en-US\">unknown</soapenv:Text></soapenv:Reason><soapenv:Detail><ns:UsersDeterFault",
        "xsi:type=\"ns:DeterFault\"><ns:detailMessage>No such user &lt;unk&gt;</ns:detailMessage><ns:errorCode>2</ns:errorCode>\
         <ns:errorMessage>Badly Formed Request</ns:errorMessage></DeterFault></ns:UsersDeterFault></soapenv:Detail></soapenv:Fault>",
    ] {
        assert!(new.contains(part), "{new}");
    }
    let old = V11.fault(Side::Receiver, None, Some(&detail));
    assert!(
        old.contains("<faultcode>soapenv:Server</faultcode><faultstring>unknown</faultstring><detail><ns:Users"),
        "{old}"
    );
    let sender = V11.fault(Side::Sender, Some("Invalid value \"x\""), None);
    assert!(sender.contains(
        "<faultcode>soapenv:Client</faultcode><faultstring>Invalid value &quot;x&quot;</faultstring><detail></detail>"
    ));
    assert!(V12.fault(Side::VersionMismatch, None, None).contains("soapenv:VersionMismatch"));
    assert!(Form::Bare.fault(Side::Sender, Some("x"), None).contains("<soapenv:Fault xmlns:soapenv="));
}

#[test]
fn a_description_names_everything_once_and_the_address_of_who_asks() {
    let wsdl = SERVICE.wsdl("https://fog.example.org:52323/axis2/services");
    for port in ["HttpsSoap11Endpoint", "HttpsSoap12Endpoint", "HttpsEndpoint"] {
        let address = format!("location=\"https://fog.example.org:52323/axis2/services/Users.Users{port}/\"");
        assert_eq!(wsdl.matches(&address).count(), 1, "{address}");
    }
    for operation in SERVICE.operations {
        let name = operation.name;
        for (part, count) in
            [("<wsdl:operation name=\"{}\">", 4), ("<xs:element name=\"{}\">", 1), ("soapAction=\"urn:{}\"", 2)]
        {
            assert_eq!(wsdl.matches(&part.replace("{}", name)).count(), count, "{part} {name}");
        }
    }
    for object in ["ApiObject", "DeterFault", "Member", "ProjectDescription", "UserChallenge"] {
        assert_eq!(wsdl.matches(&format!("<xs:complexType name=\"{object}\">")).count(), 1, "{object}");
    }
    assert!(wsdl.contains("targetNamespace=\"http://api.testbed.deterlab/net/\""));
    let bad = SERVICE.wsdl("https://a\"><b");
    assert!(!bad.contains("\"><b"));
    // Both are well-formed.
    for document in [wsdl, SERVICE.xsd()] {
        assert!(crate::tree::read(document.as_bytes()).is_ok(), "{document}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for form in [V11, V12, Form::Bare] {
            let _ = Envelope::read(&bytes, form);
        }
    }

    #[test]
    fn what_is_echoed_comes_back_as_it_was_sent(text in "\\PC{0,40}|[a-z<>&\"'\\]\\n\\t ]{0,40}") {
        let operation = SERVICE.operation("echo").unwrap();
        let body = format!("<n:echo><n:param>{}</n:param></n:echo>", crate::reply::escaped(&text));
        let sent = request(&body);
        prop_assert_eq!(sent.text("param"), Some(text.as_str()));
        let reply = Form::Bare.reply(operation, &sent.text("param").into());
        let answered = crate::tree::read(reply.as_bytes()).unwrap();
        prop_assert_eq!(&answered.children[0].text, &text);
    }
}
