//! Which host names and addresses a certificate gets, and which a request may mention.

use std::net::IpAddr;

use mf2c_domain::area::spiffe::SpiffeId;

/// The most host names and addresses that a certificate holds besides its own.
const MOST: usize = 32;
/// What stands in every certificate of an agent.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A name as it is compared and certified: addresses in their one form, the rest in small letters without a last dot.
pub(super) fn plain(name: &str) -> String {
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.to_canonical().to_string();
    }
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The names asked for, each once, without those that stand in every certificate of this agent.
pub(super) fn besides(asked: &[String], id: &SpiffeId) -> Vec<String> {
    let own = id.dns_name();
    let mut names: Vec<String> = Vec::new();
    for name in asked.iter().map(|name| plain(name)) {
        if !ALWAYS.contains(&name.as_str()) && own.as_ref() != Some(&name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The names asked for, if all of them are allowed: the address that the asker has, or what is in one of the lists.
///
/// # Errors
/// What is wrong, for the asker.
pub(super) fn allowed(
    asked: &[String],
    id: &SpiffeId,
    source: IpAddr,
    lists: [&[String]; 2],
) -> Result<Vec<String>, String> {
    let names = besides(asked, id);
    if names.len() > MOST {
        return Err(format!("{} host names are too many: a certificate holds at most {MOST}", names.len()));
    }
    let source = source.to_canonical().to_string();
    let known = |name: &String| lists.into_iter().flatten().any(|known| plain(known) == *name);
    match names.iter().find(|name| **name != source && !known(name)) {
        None => Ok(names),
        Some(name) => Err(format!(
            "the name `{}` is not this agent's to ask for: expected its address {source}, or a name that was given to `mf2c token create --name`",
            shown(name)
        )),
    }
}

/// The first name in a request that the certificate will not have.
pub(super) fn foreign<'r>(requested: &'r [String], id: &SpiffeId, names: &[String]) -> Option<&'r str> {
    let (uri, own) = (id.to_string(), id.dns_name());
    let fits = |name: &&String| {
        let plain = plain(name);
        **name == uri || ALWAYS.contains(&plain.as_str()) || own.as_ref() == Some(&plain) || names.contains(&plain)
    };
    requested.iter().find(|name| !fits(name)).map(String::as_str)
}

/// Short and without control characters, for an answer or the log.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn id() -> SpiffeId {
        "spiffe://d/area/a/agent/0a1b".parse().unwrap()
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_agent_gets_its_address_and_what_it_was_promised() {
        let asked = list(&["192.0.2.7", "::ffff:192.0.2.7", "Edge.Example.", "old.example", "localhost", "::1"]);
        let (token, bound) = (list(&["edge.example"]), list(&["old.example"]));
        let got = allowed(&asked, &id(), SOURCE, [&token, &bound]).unwrap();
        assert_eq!(got, ["192.0.2.7", "edge.example", "old.example"]);
        assert_eq!(allowed(&list(&["0a1b.agent.mf2c.internal"]), &id(), SOURCE, [&[], &[]]), Ok(vec![]));
    }

    #[test]
    fn another_name_is_refused_by_name() {
        for asked in ["192.0.2.8", "edge.example", "*.example", "0a1c.agent.mf2c.internal", "", "a\nb"] {
            let refused = allowed(&list(&[asked]), &id(), SOURCE, [&[], &[]]).unwrap_err();
            assert!(refused.contains(&format!("`{}`", asked.escape_debug())), "{refused}");
        }
        let many: Vec<String> = (0..33).map(|number| format!("n{number}")).collect();
        assert!(allowed(&many, &id(), SOURCE, [&many, &[]]).unwrap_err().contains("too many"));
    }

    #[test]
    fn a_request_may_mention_what_the_certificate_gets_and_nothing_else() {
        let names = list(&["edge.example"]);
        let good = ["spiffe://d/area/a/agent/0a1b", "EDGE.example", "localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"];
        assert_eq!(foreign(&list(&good), &id(), &names), None);
        for bad in ["spiffe://d/area/a/agent/0a1c", "spiffe://D/area/a/agent/0a1b", "x.example", "10.0.0.1", "other"] {
            assert_eq!(foreign(&list(&[good[0], bad]), &id(), &names), Some(bad));
        }
    }
}
