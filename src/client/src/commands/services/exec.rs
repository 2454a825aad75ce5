//! `exec`: runs a program beside a part of an instance, and ends as it does.

use reqwest::Method;
use serde_json::{Map, Value};

use super::ask;
use super::named::{self, name_of, text};
use crate::ClientError;
use crate::args::ExecArgs;
use crate::output::clean_lines;
use crate::session::Session;
use crate::terminal::{note, print};

pub(super) async fn exec(session: &Session<'_>, args: &ExecArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let mut body = Map::from_iter([
        ("command".to_owned(), args.program.clone().into()),
        ("timeout".to_owned(), args.limit.into()),
    ]);
    body.extend(args.index.map(|index| ("index".to_owned(), index.into())));
    let path = format!("service-instances/{}/exec", name_of(&id));
    let answer = ask(session, Method::POST, &path, Some(Value::Object(body))).await?;
    let Some(code) = answer.get("code").and_then(Value::as_i64) else {
        return Err(session.remote.no_agent("the answer tells no exit code"));
    };
    print(&clean_lines(text(&answer, "output")))?;
    if answer.get("cut").and_then(Value::as_bool) == Some(true) {
        note("it has written more, which was not kept");
    }
    ended(code)
}

/// The end of the program as the end of this one. Shells keep 8 bits of it.
fn ended(code: i64) -> Result<(), ClientError> {
    match u8::try_from(code) {
        Ok(0) => Ok(()),
        Ok(code) => Err(ClientError::Ended(code)),
        Err(_) => {
            note(&format!("it ended with {code}"));
            Err(ClientError::Ended(u8::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_program_is_that_of_the_command() {
        let code = |code| ended(code).map_err(|error| (error.code(), error.is_quiet()));
        assert_eq!(
            [code(0), code(3), code(137), code(-1)],
            [Ok(()), Err((3, true)), Err((137, true)), Err((255, true))]
        );
    }
}
