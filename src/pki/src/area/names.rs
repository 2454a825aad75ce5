//! Host names and addresses in certificates: which can stand there, and which an authority may vouch for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mf2c_domain::area::spiffe::SpiffeId;
use rcgen::{DnType, GeneralSubtree, NameConstraints, SanType};
use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::AreaError;

/// What every area's authority may vouch for.
const ALWAYS: [&str; 2] = ["mf2c.internal", "localhost"];
/// The most names that one certificate holds besides its own.
const MOST: usize = 64;

fn refused(name: &str, reason: &str) -> AreaError {
    AreaError::Name { name: name.escape_debug().to_string(), reason: reason.to_owned() }
}

/// Whether it is a DNS name in lower case, with no wildcard.
fn is_host(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn host(name: &str) -> Result<SanType, AreaError> {
    let name = name.to_owned().try_into().map_err(AreaError::sign)?;
    Ok(SanType::DnsName(name))
}

/// What an area's authority may vouch for: everything below `domains` and [`ALWAYS`]. Addresses are not mentioned, and
/// thereby allowed (RFC 5280, 4.2.1.10).
pub(super) fn constraints(domains: &[String]) -> Result<NameConstraints, AreaError> {
    let mut permitted_subtrees = Vec::new();
    for domain in ALWAYS.into_iter().map(str::to_owned).chain(domains.iter().map(|domain| domain.to_ascii_lowercase()))
    {
        let domain = domain.trim_start_matches('.');
        if !is_host(domain) {
            return Err(refused(domain, "expected a domain such as `fog.example`"));
        }
        let subtree = GeneralSubtree::DnsName(domain.to_owned());
        if !permitted_subtrees.contains(&subtree) {
            permitted_subtrees.push(subtree);
        }
    }
    if permitted_subtrees.len() > MOST {
        return Err(refused(&domains.join(","), "expected at most 62 domains"));
    }
    Ok(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() })
}

/// The domains below which an authority's certificate permits host names; none where it says nothing of it.
pub(super) fn permitted(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let trees = certificate.name_constraints().ok()??.value.permitted_subtrees.as_ref()?;
    let domains = trees.iter().filter_map(|tree| match &tree.base {
        GeneralName::DNSName(domain) => Some((*domain).to_owned()),
        _ => None,
    });
    Some(domains.collect())
}

/// Everything besides the URI that a server's certificate names: its own DNS name, this machine, and `names`.
pub(super) fn of_server(
    id: &SpiffeId,
    names: &[String],
    permitted: Option<&[String]>,
) -> Result<Vec<SanType>, AreaError> {
    if names.len() > MOST {
        return Err(refused(&format!("{} names", names.len()), "expected at most 64"));
    }
    let mut all = Vec::with_capacity(names.len() + 4);
    // A device of nothing but dashes has none.
    if let Some(own) = id.dns_name().filter(|own| is_host(own)) {
        all.push(host(&own)?);
    }
    all.push(host("localhost")?);
    all.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    all.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    for name in names {
        let entry = match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => allowed_host(&name.to_ascii_lowercase(), permitted)?,
        };
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    Ok(all)
}

pub(super) fn allowed_host(name: &str, permitted: Option<&[String]>) -> Result<SanType, AreaError> {
    if !is_host(name) {
        return Err(refused(name, "expected a DNS name without wildcards, or an IP address"));
    }
    let below =
        |domain: &String| name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if permitted.is_some_and(|domains| !domains.iter().any(below)) {
        let domains = permitted.unwrap_or_default().join("`, `");
        return Err(refused(name, &format!("expected a name below `{domains}`")));
    }
    host(name)
}

/// Whether the subject of a certificate has exactly these parts, all as UTF-8.
pub(super) fn is_subject(certificate: &[u8], parts: &[(DnType, String)]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let mut left = parts.iter();
    let same = certificate.subject().iter().all(|set| {
        let mut set = set.iter();
        let (Some(part), None, Some((_, value))) = (set.next(), set.next(), left.next()) else { return false };
        part.attr_value().tag() == Tag::Utf8String && part.as_str().is_ok_and(|text| text == value)
    });
    same && left.next().is_none()
}
