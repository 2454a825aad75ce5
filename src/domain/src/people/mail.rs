//! The mails that an agent sends. Each link stands alone on an indented line, so that mail programs and people find it.

use std::time::Duration;

/// A mail to one address, in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// The subject, in ASCII.
    pub subject: &'static str,
    /// The text, with lines that end in `\n`.
    pub text: String,
}

/// Asks somebody who has registered as `username` to prove the address.
#[must_use]
pub fn validate_user(to: &str, username: &str, link: &str, holds: Duration) -> Mail {
    let text = format!(
        "Somebody, most likely you, has registered as {username} with this e-mail address.\n\n\
         To use the account, follow this link within {}:\n\n    {link}\n\n\
         If it was not you, do nothing: the account cannot be used then, and it is removed.\n",
        words(holds)
    );
    Mail { to: to.to_owned(), subject: "email validation", text }
}

/// Asks for a proof that somebody reads mail to this address.
#[must_use]
pub fn validate_address(to: &str, link: &str, holds: Duration) -> Mail {
    let text = format!(
        "Somebody, most likely you, has named this e-mail address as theirs.\n\n\
         To confirm it, follow this link within {}:\n\n    {link}\n\n\
         If it was not you, do nothing.\n",
        words(holds)
    );
    Mail { to: to.to_owned(), subject: "email validation", text }
}

/// Gives somebody who has forgotten a password the way to set another.
#[must_use]
pub fn reset_password(to: &str, username: &str, link: &str, holds: Duration) -> Mail {
    let text = format!(
        "Somebody, most likely you, has asked for a new password for the account {username}.\n\n\
         To set it within {}, send it by POST as {{\"new-password\": \"...\"}} to this address:\n\n    {link}\n\n\
         If it was not you, do nothing: the password stays as it is.\n",
        words(holds)
    );
    Mail { to: to.to_owned(), subject: "password reset", text }
}

/// The same, where a page asks for the password.
#[must_use]
pub fn reset_password_by_page(to: &str, username: &str, link: &str, holds: Duration) -> Mail {
    let text = format!(
        "Somebody, most likely you, has asked for a new password for the account {username}.\n\n\
         To set it, follow this link within {}:\n\n    {link}\n\n\
         If it was not you, do nothing: the password stays as it is.\n",
        words(holds)
    );
    Mail { to: to.to_owned(), subject: "password reset", text }
}

/// Gives somebody the number by which a password is set at the testbed API, at the end of a page's address if there is one.
/// `is_new` where the account is as well.
#[must_use]
pub fn password_challenge(to: &str, username: &str, link: &str, is_new: bool, holds: Duration) -> Mail {
    let (asked, subject, otherwise) = if is_new {
        let otherwise = "the account cannot be used then, and it is removed.";
        ("has asked for the account", "email validation", otherwise)
    } else {
        ("has asked for a new password for the account", "password reset", "the password stays as it is.")
    };
    let text = format!(
        "Somebody, most likely you, {asked} {username}.\n\n\
         To set its password within {}, you need this:\n\n    {link}\n\n\
         If it was not you, do nothing: {otherwise}\n",
        words(holds)
    );
    Mail { to: to.to_owned(), subject, text }
}

/// Tells the old address of an account that mail goes elsewhere from now on.
#[must_use]
pub fn address_changed(to: &str, username: &str) -> Mail {
    let text = format!(
        "The account {username} has another e-mail address from now on; this one gets no more mail.\n\n\
         If it was not you who changed it, sign in and change your password, or tell your administrator.\n"
    );
    Mail { to: to.to_owned(), subject: "email address changed", text }
}

/// A span in the largest unit that gives a whole number.
fn words(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (unit, name) =
        units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)).unwrap_or((1, "second"));
    let count = seconds / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://fog.example.org/api/callback/5f0c/execute";

    #[test]
    fn the_link_stands_alone_on_an_indented_line() {
        let day = Duration::from_secs(86_400);
        for mail in [
            validate_user("a@b.org", "testuser", LINK, day),
            validate_address("a@b.org", LINK, day),
            reset_password("a@b.org", "testuser", LINK, day),
            reset_password_by_page("a@b.org", "testuser", LINK, day),
            password_challenge("a@b.org", "testuser", LINK, true, day),
            password_challenge("a@b.org", "testuser", LINK, false, day),
        ] {
            assert_eq!(mail.text.lines().filter(|line| *line == format!("    {LINK}")).count(), 1, "{}", mail.text);
            assert!(
                mail.text.contains("within 1 day") && mail.text.lines().all(|line| line.len() < 100),
                "{}",
                mail.text
            );
            assert!(mail.subject.is_ascii() && mail.to == "a@b.org");
        }
        assert_eq!(validate_user("a@b.org", "testuser", LINK, day).subject, "email validation");
    }

    #[test]
    fn spans_are_told_in_whole_units() {
        let spans = [
            (1, "1 second"),
            (90, "90 seconds"),
            (120, "2 minutes"),
            (7200, "2 hours"),
            (86_400, "1 day"),
            (0, "0 seconds"),
        ];
        for (seconds, text) in spans {
            assert_eq!(words(Duration::from_secs(seconds)), text);
        }
    }
}
