//! Which addresses a webhook may lead to: those of the public Internet, from the registries of special-purpose addresses
//! (RFC 6890 and the IANA registries that go with it).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is particular about an address, if it is none of the public Internet.
#[must_use]
pub fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("unspecified"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [127, ..] => Some("loopback"),
        [169, 254, ..] => Some("link-local"),
        [100, 64..=127, ..] => Some("shared by carriers"),
        [192, 0, 0, _] => Some("reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("for documentation"),
        [192, 88, 99, _] => Some("a relay's"),
        [198, 18..=19, ..] => Some("for benchmarks"),
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("unspecified");
    }
    if address.is_loopback() {
        return Some("loopback");
    }
    if let Some(inner) = embedded_v4(address) {
        // Whoever translates it back comes out at the address inside.
        return special_v4(inner).or(Some("IPv4 inside IPv6"));
    }
    match address.segments() {
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfec0..=0xfeff, ..] => Some("site-local"),
        [0xfc00..=0xfdff, ..] => Some("unique local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("for documentation"),
        [0x2001, 0..=0x1ff, ..] => Some("reserved for protocols"),
        // Global unicast; all else is reserved or for one network.
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, translated (NAT64) and 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(join(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        special(text.parse().unwrap())
    }

    #[test]
    fn each_special_range_is_known_up_to_its_edges() {
        let cases = [
            ("loopback", "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::"),
            ("private", "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 ::ffff:10.0.0.1 ::10.0.0.1"),
            ("link-local", "169.254.169.254 fe80::1 febf:ffff::1 ::ffff:169.254.169.254"),
            ("shared by carriers", "100.64.0.0 100.127.255.255"),
            ("unique local", "fc00::1 fdff:ffff::1"),
            ("site-local", "fec0::1"),
            ("multicast", "224.0.0.1 239.255.255.255 ff02::1"),
            ("unspecified", "0.0.0.0 0.1.2.3 ::"),
            ("for documentation", "192.0.2.1 198.51.100.7 203.0.113.255 2001:db8::1 3fff::1"),
            ("for benchmarks", "198.18.0.1 198.19.255.255"),
            ("reserved", "240.0.0.1 255.255.255.255 4000::1 100::1"),
            ("reserved for protocols", "192.0.0.8 2001::1 2001:1ff::1"),
            ("a relay's", "192.88.99.1"),
            ("IPv4 inside IPv6", "::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1"),
        ];
        for (name, addresses) in cases {
            for address in addresses.split(' ') {
                assert_eq!(of(address), Some(name), "{address}");
            }
        }
    }

    #[test]
    fn public_addresses_are_nothing_special_also_beside_those_that_are() {
        let public = "8.8.8.8 1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 \
                      169.253.0.1 169.255.0.1 172.15.255.255 172.32.0.0 192.167.0.1 192.169.0.1 198.17.0.1 198.20.0.1 \
                      223.255.255.255 2606:4700::1111 2a00:1450::1 2001:4860:4860::8888 2001:200::1";
        for address in public.split_whitespace() {
            assert_eq!(of(address), None, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_form_of_a_special_ipv4_address_is_public(bits: u32) {
            let inner = Ipv4Addr::from(bits);
            prop_assert!(special(inner.to_ipv6_mapped().into()).is_some());
            if special_v4(inner).is_some() {
                prop_assert!(special(inner.to_ipv6_compatible().into()).is_some());
            }
            let known = inner.is_private() || inner.is_loopback() || inner.is_link_local() || inner.is_multicast()
                || inner.is_documentation() || inner.is_broadcast() || inner.is_unspecified();
            prop_assert!(!known || special(inner.into()).is_some());
        }
    }
}
