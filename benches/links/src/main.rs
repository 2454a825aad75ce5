//! Members of an area that do one thing, and say on standard output how it went: `key value` a line.
//!
//! ```text
//! links join TOKENS           joins with each token of the file, one after the other: milliseconds from the token to the
//!                             first answer on the authenticated link
//! links idle TOKENS           joins with each token, holds the links, prints `ready`, and ends with standard input
//! links issue TOKENS COUNT    renews COUNT times over the link of each member: certificates a second, and whose they are
//! links handshakes TOKENS SECONDS   opens and closes links as one member: handshakes a second
//! links children TOKENS PERIOD   joins with each token, and lets each child change its device-dynamic once in PERIOD seconds
//! links bare SECONDS          the same between two ends of rustls with nothing behind them, in this process
//! links spread COUNT          when COUNT agents that were admitted at the same moment renew
//! ```

mod bare;
mod children;
mod handshakes;
mod member;
mod spread;

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use mf2c_fabric::wire::{Answer, Ask};
use mf2c_pki::area::AgentKey;

use member::Member;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many questions are under way at a time, over all links.
const AT_ONCE: usize = 32;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["join", tokens] => member::run(join(read(tokens)?)),
        ["idle", tokens] => member::run(idle(read(tokens)?)),
        ["issue", tokens, count] => member::run(issue(read(tokens)?, count.parse()?)),
        ["handshakes", tokens, seconds] => handshakes::run(read(tokens)?, Duration::from_secs_f64(seconds.parse()?)),
        ["children", tokens, period] => children::run(tokens, Duration::from_secs_f64(period.parse()?)),
        ["bare", seconds] => bare::run(Duration::from_secs_f64(seconds.parse()?)),
        ["spread", count] => spread::run(count.parse()?),
        _ => Err(
            "usage: links join|idle TOKENS, issue TOKENS COUNT, children TOKENS PERIOD, handshakes TOKENS SECONDS, bare SECONDS, spread COUNT"
                .into(),
        ),
    }
}

/// One token a line.
pub(crate) fn read(file: &str) -> Outcome<Vec<String>> {
    Ok(std::fs::read_to_string(file)?.lines().map(str::to_owned).collect())
}

pub(crate) fn say(key: &str, value: impl std::fmt::Display) -> Outcome<()> {
    writeln!(std::io::stdout(), "{key} {value}")?;
    Ok(())
}

async fn join(tokens: Vec<String>) -> Outcome<()> {
    let mut took = vec![];
    for token in &tokens {
        let started = Instant::now();
        let member = Member::join(token).await?;
        member.ask(Ask::Trust { have: member.news() }).await?;
        took.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    say("joined", took.len())?;
    say("p50", took[took.len() / 2])?;
    say("worst", took[took.len() - 1])
}

async fn idle(tokens: Vec<String>) -> Outcome<()> {
    let mut members = vec![];
    for token in &tokens {
        let member = Member::join(token).await?;
        member.ask(Ask::Trust { have: member.news() }).await?;
        members.push(member);
    }
    say("ready", members.len())?;
    // The links live on this thread's runtime, so another one waits for the end.
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut vec![]));
    ended.await??;
    Ok(())
}

/// Keys and requests are made beforehand: making them is the asker's work.
async fn issue(tokens: Vec<String>, count: usize) -> Outcome<()> {
    let mut members = vec![];
    for token in &tokens {
        let member = Member::join(token).await?;
        member.ask(Ask::Trust { have: member.news() }).await?;
        members.push(member);
    }
    let requests: Result<Vec<_>, _> =
        (0..count * members.len()).map(|_| AgentKey::generate()?.request(None, "links")).collect();
    let mut requests = requests?.into_iter().zip(members.iter().cycle());
    let mut under_way = tokio::task::JoinSet::new();
    let started = Instant::now();
    let mut done = 0;
    loop {
        while under_way.len() < AT_ONCE {
            let Some((request, member)) = requests.next() else { break };
            under_way.spawn(member.ask(Ask::Renew { request: request.into(), names: vec![] }));
        }
        match under_way.join_next().await {
            None => break,
            Some(answer) => match answer?? {
                Answer::Enrolled(_) => done += 1,
                other => return Err(format!("unexpected answer {other:?}").into()),
            },
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    for member in &members {
        say("device", &member.device)?;
    }
    say("issued", done)?;
    say("rate", f64::from(done) / seconds)
}
