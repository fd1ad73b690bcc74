//! Address ranges that are no place for a store (IANA special-purpose registries, RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Refusal;

/// Says why an address is not public, or `None` for a public one. IPv4 addresses inside
/// IPv4-mapped and well-known NAT64 addresses are judged as themselves.
#[must_use]
pub fn judge_ip(address: IpAddr) -> Option<Refusal> {
    match inner(address) {
        IpAddr::V4(address) => judge_v4(address),
        IpAddr::V6(address) => judge_v6(address),
    }
}

/// The IPv4 address that an IPv6 form stands for, else the address itself.
pub(super) fn inner(address: IpAddr) -> IpAddr {
    let IpAddr::V6(outer) = address else {
        return address;
    };
    if let Some(mapped) = outer.to_ipv4_mapped() {
        return IpAddr::V4(mapped);
    }
    match outer.segments() {
        // NAT64, RFC 6052: a network with IPv6 only reaches every IPv4 store this way.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => address,
    }
}

fn judge_v4(address: Ipv4Addr) -> Option<Refusal> {
    match address.octets() {
        [0, ..] => Some(Refusal::Unspecified),
        [127, ..] => Some(Refusal::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Refusal::Private),
        [169, 254, ..] => Some(Refusal::LinkLocal),
        [100, 64..=127, ..] => Some(Refusal::SharedNat),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
            Some(Refusal::Documentation)
        }
        [192, 0, 0, _] => Some(Refusal::Reserved),
        [192, 88, 99, _] => Some(Refusal::Translation),
        [224..=239, ..] => Some(Refusal::Multicast),
        [255, 255, 255, 255] => Some(Refusal::Broadcast),
        [240..=255, ..] => Some(Refusal::Reserved),
        _ => None,
    }
}

/// Only `2000::/3` is handed out; inside it some ranges are special.
fn judge_v6(address: Ipv6Addr) -> Option<Refusal> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Refusal::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Refusal::Loopback),
        [0xff00..=0xffff, ..] => Some(Refusal::Multicast),
        [0xfe80..=0xfebf, ..] => Some(Refusal::LinkLocal),
        [0xfec0..=0xfeff, ..] | [0xfc00..=0xfdff, ..] => Some(Refusal::Private),
        // 6to4, Teredo, local NAT64, IPv4-compatible: the way out is not ours to know.
        [0x2002, ..] | [0x2001, 0, ..] | [0x64, 0xff9b, ..] | [0, 0, 0, 0, 0, 0, ..] => {
            Some(Refusal::Translation)
        }
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => {
            Some(Refusal::Documentation)
        }
        [0x2001, 1..=0x1ff, ..] => Some(Refusal::Reserved),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Refusal::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_the_ranges() {
        let judged = |text: &str| judge_ip(text.parse().unwrap());
        for (text, expected) in [
            ("9.255.255.255", None),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some(Refusal::SharedNat)),
            ("100.127.255.255", Some(Refusal::SharedNat)),
            ("100.128.0.0", None),
            ("172.15.255.255", None),
            ("172.31.255.255", Some(Refusal::Private)),
            ("172.32.0.0", None),
            ("192.0.1.0", None),
            ("192.88.98.255", None),
            ("198.17.255.255", None),
            ("198.19.255.255", Some(Refusal::Documentation)),
            ("198.20.0.0", None),
            ("223.255.255.255", None),
            ("254.1.1.1", Some(Refusal::Reserved)),
            ("255.255.255.255", Some(Refusal::Broadcast)),
            ("1fff::1", Some(Refusal::Reserved)),
            ("2001:200::1", None),
            ("2606:4700::1111", None),
            ("4000::1", Some(Refusal::Reserved)),
            ("::ffff:8.8.8.8", None),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b::169.254.169.254", Some(Refusal::LinkLocal)),
            ("64:ff9b:1::8.8.8.8", Some(Refusal::Translation)),
            ("::8.8.8.8", Some(Refusal::Translation)),
        ] {
            assert_eq!(judged(text), expected, "{text}");
        }
    }
}
