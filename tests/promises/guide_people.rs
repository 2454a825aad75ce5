//! Chapter 2.4 of the mF2C guide, run as printed by a real shell and a real curl: an account, the mail, the sign-in, an
//! API key, and the sign-in with it. And what 2.3.1 prints about users and sessions.

use mf2c_tests::{SmtpServer, Start};
use serde_json::{Value, json};

use crate::guide::Shell;

/// 2.4.1, step 1, with the file that the guide shows below it.
const REGISTER: &str = r#"cat >addRegularUser.json <<'FILE'
{
  "userTemplate": {
    "href": "user-template/self-registration",
    "password": "testpassword",
    "passwordRepeat": "testpassword",
    "emailAddress": "your@email.com",
    "username": "testuser"
  }
}
FILE
curl -XPOST -H "Content-type: application/json" \
  https://<server>/api/user -d @addRegularUser.json
"#;

/// 2.4.1, step 3, and 2.4.2, step 1.
const SIGN_IN: &str = r#"cat >regularUser.json <<'FILE'
{
  "sessionTemplate": {
    "href": "session-template/internal",
    "username": "testuser",
    "password": "testpassword"
  }
}
FILE
curl -XPOST -H 'content-type: application/json' \
  https://<server>/api/session -d @regularUser.json \
  --cookie-jar ~/cookies -b ~/cookies -sS
"#;

/// 2.4.2, "create the session-template for it (only do it once, and if it doesn't exist yet)".
const KEY_TEMPLATE: &str = r#"curl -XPOST -H content-type:application/json -d '
{
  "method": "api-key",
  "instance": "api-key",

  "name" : "Login with API Key and Secret",
  "description" : "Authentication with API Key and Secret",
  "group" : "Login with API Key and Secret",

  "key" : "key",
  "secret" : "secret",

  "acl": {
    "owner": {"principal": "ADMIN",
              "type": "ROLE"},
    "rules": [{"principal": "ADMIN",
               "type": "ROLE",
               "right": "ALL"},
              {"principal": "ANON",
               "type": "ROLE",
               "right": "VIEW"},
              {"principal": "USER",
               "type": "ROLE",
               "right": "VIEW"}]
  }
}' https://<server>/api/session-template -H 'slipstream-authn-info: super ADMIN'
"#;

/// 2.4.2, step 2.
const MAKE_KEY: &str = r#"cat >generateAPIKey.json <<'FILE'
{
  "credentialTemplate": {
    "href": "credential-template/generate-api-key",
    "ttl": 0
  }
}
FILE
curl -XPOST -H 'content-type: application/json' \
  https://localhost/api/credential -d @generateAPIKey.json \
  --cookie-jar ~/cookies -b ~/cookies -sS
"#;

/// 2.4.2, steps 4 and 5.
const SIGN_IN_BY_KEY: &str = r#"export CIMI_API_KEY=<resource-id>
export CIMI_API_SECRET=<secretKey>
cat >regularUserAPIKey.json <<EOF
{
  "sessionTemplate": {
    "href": "session-template/api-key",
    "key": "$CIMI_API_KEY",
    "secret": "$CIMI_API_SECRET"
  }
}
EOF

curl -XPOST -H 'content-type: application/json' \
https://<server>/api/session -d @regularUserAPIKey.json \
--cookie-jar ~/cookies -b ~/cookies -sS
"#;

/// 2.3.1, "Adding a new user". The address is for the reader to fill in.
const REGISTER_SHORTLY: &str = r#"curl -XPOST -k -H 'content-type:application/json' https://localhost/api/user -d '{
  "userTemplate": {
    "href": "user-template/self-registration",
    "password": "testpassword",
    "passwordRepeat": "testpassword",
    "emailAddress": "your_email@",
    "username": "testuser"
  }
}'"#;

/// 2.3.1, "Login", with the line that the page wraps joined.
const SIGN_IN_SHORTLY: &str = r#"curl -XPOST -k -H 'content-type:application/json' https://localhost/api/session \
  --cookie-jar ~/cookies -b ~/cookies -d '{
  "sessionTemplate": {
    "href": "session-template/internal",
    "username": "testuser",
    "password": "testpassword"
  }
}'"#;

fn on_this_server(command: &str) -> String {
    command.replace("<server>", "localhost")
}

/// The one session that the cookie jar is good for.
fn own_session(shell: &Shell) -> Value {
    let (status, sessions) = shell.run("curl https://localhost/api/session --cookie-jar ~/cookies -b ~/cookies -sS");
    assert_eq!((status, &sessions["count"]), (200, &json!(1)), "{sessions:#}");
    sessions["sessions"][0].clone()
}

#[test]
fn the_chapter_on_credentials_works_as_printed() {
    let mails = SmtpServer::start();
    let settings = mails.environment();
    let start = settings.iter().fold(Start::new(), |start, (name, value)| start.environment(name, value));
    let shell = Shell::with(start.agent());

    let (status, registered) = shell.run(&on_this_server(REGISTER));
    assert_eq!((status, &registered["resource-id"]), (201, &json!("user/testuser")), "{registered:#}");

    // "You must have validated the user before you can login."
    let (status, refused) = shell.run(&on_this_server(SIGN_IN));
    assert_eq!((status, &refused["message"]), (403, &json!("invalid credentials for 'testuser'")));

    // "Once you find the email, copy the validation URL and paste it in the browser."
    let mail = mails.mail(0);
    assert_eq!(mail.to, ["your@email.com"]);
    let link = mail.link();
    assert!(link.starts_with("https://localhost/api/callback/") && link.ends_with("/execute"), "{link}");
    let (status, validated) = shell.run(&format!("curl '{link}'"));
    assert_eq!(status, 200, "{validated:#}");

    let (status, signed_in) = shell.run(&on_this_server(SIGN_IN));
    assert_eq!(status, 201, "{signed_in:#}");
    let session = own_session(&shell);
    assert_eq!((&session["id"], &session["username"]), (&signed_in["resource-id"], &json!("testuser")));

    let (status, there) = shell.run(&on_this_server(KEY_TEMPLATE));
    assert_eq!((status, &there["resource-id"]), (409, &json!("session-template/api-key")), "{there:#}");

    let (status, _) = shell.run(&on_this_server(SIGN_IN));
    assert_eq!(status, 201);
    let (status, key) = shell.run(MAKE_KEY);
    assert_eq!((status, &key["status"]), (201, &json!(201)), "{key:#}");
    let (id, secret) = (key["resource-id"].as_str().unwrap_or_default(), key["secretKey"].as_str().unwrap_or_default());
    assert_eq!(key["message"], format!("{id} created"));

    let by_key = SIGN_IN_BY_KEY.replace("<resource-id>", id).replace("<secretKey>", secret);
    let (status, signed_in) = shell.run(&on_this_server(&by_key));
    assert_eq!(status, 201, "{signed_in:#}");
    let session = own_session(&shell);
    assert_eq!((&session["id"], &session["method"]), (&signed_in["resource-id"], &json!("api-key")));
    assert_eq!(session["username"], "testuser");
}

#[test]
fn a_user_signs_in_by_the_commands_for_users_as_printed_once_the_address_is_filled_in() {
    let shell = Shell::with(Start::new().agent());
    let (status, refused) = shell.run(REGISTER_SHORTLY);
    assert_eq!(status, 400, "{refused:#}");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("emailAddress")), "{refused:#}");
    let (status, registered) = shell.run(&REGISTER_SHORTLY.replace("your_email@", "your_email@example.org"));
    assert_eq!((status, &registered["resource-id"]), (201, &json!("user/testuser")), "{registered:#}");
    assert_eq!(shell.run(SIGN_IN_SHORTLY).0, 403, "the address is not proved yet");

    // Without a mail server the link is where administrators look for it.
    let (_, emails) = shell.run("mf2c-curl-read https://localhost/api/email");
    let link = emails["emails"][0]["validationLink"].as_str().expect("a link");
    let (status, validated) = shell.run(&format!("curl -k '{link}'"));
    assert_eq!(status, 200, "{validated:#}");
    let (status, signed_in) = shell.run(SIGN_IN_SHORTLY);
    assert_eq!((status, own_session(&shell)["username"].as_str()), (201, Some("testuser")), "{signed_in:#}");
}
