//! Any bytes are a request or refused with a sentence; what is read is written so that it is read again as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_soap::{Envelope, Field, Form, Gives, Kind, ObjectType, Operation, Request, Service, TARGETS, Value, Version};

static MEMBER: ObjectType =
    ObjectType { name: "Member", fields: &[Field::text("uid"), Field::text("permissions").or(&["perms"]).many()] };

static SERVICE: Service = Service {
    name: "Fuzzed",
    target_namespace: TARGETS[0],
    operations: &[
        Operation::reading("echo", &[Field::text("param")], Gives::one(Kind::Text)),
        Operation::new(
            "all",
            &[
                Field::text("uid").or(&["userid"]),
                Field::int("int"),
                Field::long("long").many(),
                Field::flag("flag"),
                Field::new("double", Kind::Double),
                Field::bytes("bytes"),
                Field::object("members", &MEMBER).many(),
            ],
            Gives::objects(&MEMBER),
        ),
    ],
};

/// What was read, as a reply.
fn back(request: &Request) -> Value {
    Value::list(request.objects("members").map(|member| {
        let permissions = Value::list(member.texts("permissions").map(Value::from));
        Value::Object(&MEMBER, vec![("uid", member.text("uid").into()), ("permissions", permissions)])
    }))
}

fuzz_target!(|data: &[u8]| {
    for said in [Form::Soap(Version::V11), Form::Soap(Version::V12), Form::Bare] {
        let envelope = match Envelope::read(data, said) {
            Ok(envelope) => envelope,
            Err(refusal) => {
                assert!(!refusal.reason.is_empty() && refusal.reason.len() < 1000);
                let fault = refusal.form.fault(refusal.side, Some(&refusal.reason), None);
                assert!(Envelope::read(fault.as_bytes(), Form::Bare).is_err_and(|error| !error.reason.contains("XML")));
                continue;
            }
        };
        let Some(operation) = SERVICE.operation(envelope.operation()) else { continue };
        let Ok(request) = envelope.request(operation) else { continue };
        let value = if operation.name == "echo" { request.text("param").into() } else { back(&request) };
        let reply = Form::Bare.reply(operation, &value);
        // A reply read as a request: its elements are those of the tables, in another wrapper.
        let mut again = reply;
        let inner = if operation.name == "echo" { "param" } else { "members" };
        let wrapper = format!("{}Response", operation.name);
        for (from, to) in [(wrapper.as_str(), operation.name), ("return", inner)] {
            for start in ["<ns:", "</ns:"] {
                again = again.replace(&format!("{start}{from}"), &format!("{start}{to}"));
            }
        }
        let again = Envelope::read(again.as_bytes(), Form::Bare).expect("what is written is read");
        let again = again.request(operation).expect("what is written is of its kinds");
        assert_eq!(again.text("param"), request.text("param"));
        let members = |request: &Request| -> Vec<(Option<String>, Vec<String>)> {
            let texts = |member: &Request| member.texts("permissions").map(str::to_owned).collect();
            request.objects("members").map(|member| (member.text("uid").map(str::to_owned), texts(member))).collect()
        };
        assert_eq!(members(&again), members(&request));
    }
});
