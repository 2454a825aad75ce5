//! Signing in by a challenge, and signing out.

use mf2c_actors::session_manager::{MayTry, Proof, Prove, SignInError};
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::types::people::testbed_session::SPEC;
use mf2c_soap::{Request, Value};
use mf2c_store::StoreError;

use super::super::call::Call;
use super::super::fault::{Code, Fault};
use super::super::types::{shown, stamp};
use super::USER_CHALLENGE;
use super::challenges::{HOLDS, TooMany};
use super::identity::{Wanted, bind_shown, issue, later};

/// The one kind of challenge: the password is the answer.
const CLEAR: &str = "clear";

pub(super) fn request_challenge(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = request.text("uid").filter(|user| !user.is_empty());
    let user = user.ok_or_else(|| Fault::request("No uid given for challenge"))?;
    let known = call.account(user).is_some_and(|account| account.may_sign_in());
    if !known {
        return Err(Fault::request(format!("No such user {}", shown(user))));
    }
    let mut types = request.texts("types").peekable();
    if types.peek().is_some() && !types.any(|kind| kind.eq_ignore_ascii_case(CLEAR)) {
        return Err(Fault::request("Requested challenges not supported"));
    }
    let world = &call.exchange.api.world;
    let id = call.door.challenges.open(user, call.source(), world.clock.elapsed(), &*world.entropy);
    let id = id.map_err(|many| match many {
        TooMany::OfUser => Fault::request(format!("Too many open challenges for {user}")),
        TooMany::OfAll => Fault::internal("too many challenges are open: try again in two minutes"),
    })?;
    let members = vec![
        ("challengeID", id.into()),
        ("data", Value::Nil),
        ("type", CLEAR.into()),
        ("validity", stamp(later(call.now(), HOLDS)).into()),
        ("validitySeconds", i32::try_from(HOLDS.as_secs()).unwrap_or(i32::MAX).into()),
    ];
    Ok(Value::Object(&USER_CHALLENGE, members))
}

/// The answer to a challenge: a certificate with its key; nil for who has shown a certificate of his own.
pub(super) async fn answer_challenge(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let id = request.long("challengeID").ok_or_else(|| Fault::request("no challenge ID given"))?;
    let (challenges, clock) = (&call.door.challenges, &call.exchange.api.world.clock);
    let gone = || Fault::request(format!("no challenge with ID {id}"));
    let user = challenges.user_of(id, clock.elapsed()).ok_or_else(gone)?;
    // Who is put off for what others do may come again with the same challenge.
    let place = if call.proof_of(&user).is_some() { None } else { Some(call.door.keys.place()?) };
    let may_try = call.exchange.api.sessions.send(MayTry { name: user.clone(), source: call.source() }).await;
    may_try.map_err(|_| StoreError::Stopping)?.map_err(put_off)?;
    // Once the answer was looked at, there is no second attempt.
    let challenge = challenges.take(id, clock.elapsed()).ok_or_else(gone)?;
    let password = request.bytes("responseData").and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let proof = Proof::Password { username: user.clone(), password: password.unwrap_or_default() };
    let proved = call.exchange.api.sessions.send(Prove { proof, source: call.source() }).await;
    match proved.map_err(|_| StoreError::Stopping)? {
        Ok(_) => {}
        // In the original's spelling.
        Err(SignInError::Invalid { .. }) => return Err(Fault::new(Code::Access, "Invalid repsonse")),
        Err(error @ SignInError::Wait(_)) => {
            challenges.give_back(challenge);
            return Err(put_off(error));
        }
        Err(error) => return Err(error.into()),
    }
    let wanted = Wanted { user: &user, seconds: call.door.settings.session, is_unconfirmed: false };
    if bind_shown(call, &wanted).await? {
        return Ok(Value::Nil);
    }
    let place = match place {
        Some(place) => place,
        None => call.door.keys.place()?,
    };
    Ok(Value::Bytes(issue(call, &wanted, place).await?.into_bytes()))
}

/// What is told to who may not try now.
fn put_off(error: SignInError) -> Fault {
    match error {
        SignInError::Wait(_) => Fault::new(Code::Access, error.to_string()),
        error => error.into(),
    }
}

pub(super) async fn logout(call: &Call<'_>) -> Result<Value, Fault> {
    if !call.has_certificate() {
        return Err(Fault::request("You are not logged in (no certificate presented)"));
    }
    let _ = call.anybody()?;
    let key = call.key().ok_or_else(Fault::login)?;
    let id = ResourceId::new(SPEC.name, key).map_err(|error| Fault::internal(error.to_string()))?;
    call.delete(&id).await?;
    Ok(true.into())
}
