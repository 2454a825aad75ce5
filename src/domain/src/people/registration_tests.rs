//! What is promised of the form for a new account.

use proptest::prelude::*;

use super::*;
use crate::caller::Caller;

struct Ones;
impl Entropy for Ones {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0xFF);
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_560_535_584_203);

fn form(changes: Value) -> Value {
    let mut form = json!({"href": "user-template/self-registration", "username": "testuser",
        "password": "testpassword", "passwordRepeat": "testpassword", "emailAddress": "your@email.com"});
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(form.as_object_mut().unwrap().remove(name)),
            value => form[name] = value.clone(),
        }
    }
    form
}

fn read(form: Value) -> Result<Form, RegistrationError> {
    Form::read(json!({"userTemplate": form}).as_object().unwrap().clone())
}

fn registered(changes: Value, method: Method) -> Result<Registration, RegistrationError> {
    read(form(changes))?.check(method)
}

fn refused(changes: Value) -> String {
    let refused = registered(changes, Method::SelfRegistration);
    let refused = refused.and_then(|good| good.draft(Some("digest"), NOW, &Ones).map(drop));
    refused.unwrap_err().to_string()
}

#[test]
fn the_guides_form_makes_a_new_user_who_may_not_sign_in_yet() {
    let good = registered(json!({}), Method::SelfRegistration).unwrap();
    assert_eq!(good.password.as_deref(), Some("testpassword"));
    let draft = good.draft(Some("$argon2id$x"), NOW, &Ones).unwrap();
    assert_eq!(draft.name.as_deref(), Some("testuser"));
    let expected = json!({
        "username": "testuser", "emailAddress": "your@email.com", "password": "$argon2id$x", "state": "NEW",
        "method": "self-registration", "href": "user-template/self-registration", "isSuperUser": false, "deleted": false,
        "creation": "2019-06-14T18:06:24.203Z", "lastOnline": "1970-01-01T00:00:00.000Z",
        "lastExecute": "1970-01-01T00:00:00.000Z", "activeSince": "1970-01-01T00:00:00.000Z",
    });
    assert_eq!(Value::Object(draft.attributes), expected);
    let acl = draft.acl.unwrap();
    assert!(acl.can_modify(&Caller::new("testuser", ["USER"])) && !acl.can_view(&Caller::new("other", ["USER"])));
    assert!(!acl.can_view(&Caller::anonymous()));
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_original() {
    let cases = [
        (json!({"passwordRepeat": null}), "both password fields must be specified"),
        (json!({"password": null}), "both password fields must be specified"),
        (json!({"password": 12_345_678}), "both password fields must be specified"),
        (json!({"passwordRepeat": "testpasswore"}), "password fields must be identical"),
        (json!({"password": "1234567", "passwordRepeat": "1234567"}), "password must have at least 8 characters"),
        (json!({"extra": 1}), "`extra` is not asked for by the template: leave it out"),
        (json!({"state": "ACTIVE"}), "`state` is not asked for by the template: leave it out"),
        (json!({"isSuperUser": true}), "`isSuperUser` is not asked for by the template: leave it out"),
        (json!({"username": null}), "`username` is missing or not a text: fill it in"),
        (json!({"username": ["a"]}), "`username` is missing or not a text: fill it in"),
        (json!({"href": null}), "missing or invalid UserTemplate reference"),
        (json!({"href": 7}), "missing or invalid UserTemplate reference"),
        (json!({"href": "session-template/internal"}), "missing or invalid UserTemplate reference"),
    ];
    for (changes, message) in cases {
        assert_eq!(refused(changes.clone()), message, "{changes}");
    }
    for address in ["your_email@", "@x", "a@b\r\nBcc: c@d.e", "a b@c.d", "a@b@c", "<a@b.c>", "a@b.c,d@e.f", ""] {
        assert!(refused(json!({"emailAddress": address})).contains("`emailAddress`"), "{address:?}");
    }
    assert_eq!(refused(json!({"emailAddress": format!("{}@b.c", "a".repeat(65))})), NameError::LongAddress.to_string());
    let beside = json!({"userTemplate": form(json!({})), "state": "ACTIVE"});
    assert!(matches!(Form::read(beside.as_object().unwrap().clone()), Err(RegistrationError::Beside(_))));
    assert_eq!(Form::read(Map::new()), Err(RegistrationError::NoTemplate));
}

#[test]
fn a_whole_template_that_is_filled_in_is_taken_and_its_own_attributes_are_passed_over() {
    let whole = json!({"id": "user-template/x", "method": "direct", "instance": "x", "group": "g", "order": 1, "hidden": false});
    let good = registered(whole, Method::SelfRegistration).unwrap();
    assert_eq!(good.draft(None, NOW, &Ones).unwrap().attributes["method"], "self-registration");
}

#[test]
fn administrators_may_set_what_others_may_not() {
    let changes =
        json!({"passwordRepeat": null, "state": "ACTIVE", "isSuperUser": true, "roles": "ops", "firstName": "T"});
    let user = registered(changes, Method::Direct).unwrap().draft(Some("d"), NOW, &Ones).unwrap().attributes;
    assert_eq!((&user["state"], &user["isSuperUser"], &user["roles"]), (&json!("ACTIVE"), &json!(true), &json!("ops")));
    assert_eq!(user["activeSince"], NOW.to_string());
    let without = json!({"password": null, "passwordRepeat": null});
    assert_eq!(registered(without, Method::Direct).unwrap().password, None);
    let weak = json!({"password": "short", "passwordRepeat": null});
    assert_eq!(registered(weak, Method::Direct), Err(NameError::ShortPassword.into()));
    let unknown = registered(json!({"digest": "x"}), Method::Direct);
    assert_eq!(unknown, Err(RegistrationError::Unexpected("digest".to_owned())));
}

proptest! {
    #[test]
    fn no_form_is_taken_for_more_than_it_is(
        name in "[ -~]{0,12}", value in "\\PC{0,12}", password in "\\PC{0,20}", direct in any::<bool>(),
    ) {
        let method = if direct { Method::Direct } else { Method::SelfRegistration };
        let body = form(json!({name: value, "password": password}));
        if let Ok(good) = read(body).and_then(|form| form.check(method))
            && let Ok(draft) = good.draft(Some("digest"), NOW, &Ones)
        {
            prop_assert_eq!(draft.attributes.get("password"), Some(&json!("digest")));
            prop_assert!(direct || draft.attributes["state"] == "NEW" && draft.attributes["isSuperUser"] == false);
            prop_assert!(!Value::Object(draft.attributes).to_string().contains("passwordRepeat"));
        }
    }
}
