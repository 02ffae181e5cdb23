//! Which addresses may be dialled: those of the public internet and of networks that the operator has allowed, but for those of
//! networks that he has denied.

use super::rules::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are nobody's public ones (the special-purpose registries of IANA, and multicast).
const PRIVATE_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),           // this network; 0.0.0.0 reaches the machine itself
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carriers' own
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, where clouds keep their metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocols' own; Oracle's metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24), // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24), // automatic tunnels
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays, retired
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(192, 175, 48, 0), 24), // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 3),     // multicast, reserved, broadcast
];
/// Azure's virtual public address of the host: platform services that answer every virtual machine.
const AZURE_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// What of the global unicast addresses `2000::/3` is not public. Everything outside of those is not, either: loopback,
/// unspecified, IPv4-compatible ones, local NAT64, unique local, link-local, site-local, multicast.
const PRIVATE_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocols' own: Teredo, ORCHID, benchmarking
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, which leads to any IPv4 address
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];
/// Where translators put the IPv4 addresses of the internet.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether an address may be dialled. What is denied may not, whatever else is said of it.
pub(super) fn is_allowed(address: IpAddr, allowed: &[Network], denied: &[Network]) -> bool {
    // `::ffff:10.0.0.1` is 10.0.0.1 to the system, and so it is here.
    let address = address.to_canonical();
    let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
    if within(denied) {
        return false;
    }
    let listed = within(allowed);
    match address {
        IpAddr::V4(address) => listed || is_public_v4(address),
        // Behind a translator stands the IPv4 network. Leave to use the translator is none to go everywhere in there.
        IpAddr::V6(address) if within_v6(address, NAT64) => {
            let [.., high, low] = address.segments();
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            listed && is_allowed(Ipv4Addr::new(a, b, c, d).into(), allowed, denied)
        }
        IpAddr::V6(address) => listed || is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(network, length): (Ipv4Addr, u32)| (address.to_bits() ^ network.to_bits()) >> (32 - length) == 0;
    address != AZURE_HOST && !PRIVATE_V4.into_iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let global = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    within_v6(address, global) && !PRIVATE_V6.into_iter().any(|network| within_v6(address, network))
}

fn within_v6(address: Ipv6Addr, (network, length): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (128 - length) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str, networks: &[&str]) -> bool {
        allowed_but(address, networks, &[])
    }

    fn allowed_but(address: &str, networks: &[&str], denied: &[&str]) -> bool {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        is_allowed(address.parse().unwrap(), &parse(networks), &parse(denied))
    }

    #[test]
    fn public_addresses_may_be_dialled() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(allowed(address, &[]), "{address}");
        }
    }

    #[test]
    fn all_others_may_not() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::10.0.0.1",
            "64:ff9b::1.1.1.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
            "5f00::1",
            "::ffff:0:127.0.0.1",
        ] {
            assert!(!allowed(address, &[]), "{address}");
        }
    }

    #[test]
    fn the_operators_networks_are_open_and_no_others() {
        assert!(allowed("10.1.2.3", &["10.0.0.0/8"]) && allowed("::ffff:10.1.2.3", &["10.0.0.0/8"]));
        assert!(allowed("127.0.0.1", &["127.0.0.1"]) && !allowed("127.0.0.2", &["127.0.0.1"]));
        assert!(allowed("fd00::1", &["fd00::/8"]) && !allowed("fe80::1", &["fd00::/8"]));
        assert!(!allowed("10.1.2.3", &["::/0"]) && !allowed("fd00::1", &["0.0.0.0/0"]));
    }

    #[test]
    fn what_the_operator_has_denied_may_not_be_dialled_whatever_else_is_said() {
        let denied = ["1.1.1.0/24", "10.1.0.0/16", "2606:4700::/32"];
        for address in
            ["1.1.1.1", "::ffff:1.1.1.1", "10.1.2.3", "2606:4700::1111", "64:ff9b::1.1.1.1", "64:ff9b::10.1.2.3"]
        {
            for networks in [&[][..], &["0.0.0.0/0", "::/0"], &denied, &["64:ff9b::/96", "10.0.0.0/8"]] {
                assert!(!allowed_but(address, networks, &denied), "{address} {networks:?}");
            }
        }
        assert!(allowed_but("1.1.2.1", &[], &denied) && allowed_but("10.2.0.1", &["10.0.0.0/8"], &denied));
    }

    #[test]
    fn a_translator_leads_only_to_what_may_be_dialled_by_itself() {
        assert!(allowed("64:ff9b::1.1.1.1", &["64:ff9b::/96"]));
        assert!(!allowed("64:ff9b::10.0.0.1", &["64:ff9b::/96"]));
        assert!(allowed("64:ff9b::10.0.0.1", &["64:ff9b::/96", "10.0.0.0/8"]));
        assert!(!allowed("64:ff9b::10.0.0.1", &["10.0.0.0/8"]));
    }
}
