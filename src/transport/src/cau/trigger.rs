//! The trigger of cau-client: one line over plain TCP, one answer, and the connection is closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mf2c_domain::legacy::trigger::{LONGEST_LINE, Trigger, parse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tracing::{debug, info};

use super::PATIENCE;
use super::client::CauClient;
use super::door::{self, Understood};

/// Serves the trigger for as long as it is polled.
pub async fn serve_trigger(listener: TcpListener, client: Arc<CauClient>) {
    door::take(listener, "trigger of cau-client", move |tcp, source, understood| {
        let client = Arc::clone(&client);
        async move {
            if let Err(error) = connection(tcp, source, &client, &understood).await {
                debug!(%source, %error, "who pulled the trigger got no answer");
            }
        }
    })
    .await;
}

async fn connection(
    mut tcp: TcpStream,
    source: SocketAddr,
    client: &CauClient,
    understood: &Understood,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let line = timeout(PATIENCE, line(&mut tcp)).await;
    understood.say();
    let outcome = match line {
        Err(_) => Err("err4: no line came within 15 seconds; end it with a line feed".to_owned()),
        Ok(line) => match line? {
            Ok(line) => obey(&line, client).await,
            Err(reason) => Err(format!("err4: {reason}")),
        },
    };
    understood.done();
    let answer = match outcome {
        Ok(answer) => answer,
        Err(reason) => {
            info!(%source, reason, "cau-client has not done what it was told");
            harmless(&reason)
        }
    };
    timeout(PATIENCE, async {
        tcp.write_all(answer.as_bytes()).await?;
        tcp.shutdown().await?;
        // A client that is still sending would lose the answer if the connection were just dropped.
        let mut rest = [0; 4096];
        let mut left = 4 << 20;
        while left > 0 {
            match tcp.read(&mut rest).await? {
                0 => break,
                count => left -= count.min(left),
            }
        }
        Ok(())
    })
    .await?
}

/// A line without its end, or why there is none.
async fn line(tcp: &mut TcpStream) -> io::Result<Result<String, &'static str>> {
    let mut bytes = Vec::with_capacity(1024);
    let mut chunk = [0; 4096];
    loop {
        let count = tcp.read(&mut chunk).await?;
        let came = chunk.get(..count).unwrap_or_default();
        if count == 0 {
            return Ok(Err("the line has no end; end it with a line feed"));
        }
        let end = came.iter().position(|byte| *byte == b'\n');
        bytes.extend_from_slice(came.get(..end.unwrap_or(count)).unwrap_or_default());
        if bytes.len() >= LONGEST_LINE {
            return Ok(Err("the line is longer than 64 KiB"));
        }
        if end.is_some() {
            return Ok(String::from_utf8(bytes).map_err(|_| "the line is no UTF-8"));
        }
    }
}

async fn obey(line: &str, client: &CauClient) -> Result<String, String> {
    match parse(line).map_err(|error| format!("err4: {error}"))? {
        Trigger::PublicKey(device) => {
            let pem = client.public_key(&device).await.map_err(|error| error.to_string())?;
            Ok(format!("{}\n", pem.trim_end()))
        }
        Trigger::Authenticate { leader, device, id_key, mac } => {
            let done = client.authenticate(device, leader, id_key, mac).await;
            done.map(|()| "OK\n".to_owned()).map_err(|error| error.to_string())
        }
    }
}

/// The original's callers take every answer with these two letters for success.
fn harmless(reason: &str) -> String {
    reason.replace("OK", "ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_can_be_taken_for_success() {
        assert_eq!(harmless("err1: OKLAHOMA:1 answered 200 OK"), "err1: okLAHOMA:1 answered 200 ok");
    }
}
