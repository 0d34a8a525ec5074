//! Which addresses browsers are told to try.

use std::net::{IpAddr, SocketAddr};

/// More than this many only make browsers slower.
const MAX: usize = 16;

/// The addresses to offer for a socket bound to `local`: that one alone, or, if it is bound to all,
/// every address of this machine and then `extra` ones (of a NAT, of a VPN). Loopback comes last:
/// only a browser on this machine can use it.
pub(super) fn to_offer(
    local: SocketAddr,
    interfaces: &[IpAddr],
    extra: &[IpAddr],
) -> Vec<SocketAddr> {
    let mut ips: Vec<IpAddr> = Vec::new();
    if local.ip().is_unspecified() {
        ips.extend(
            interfaces
                .iter()
                .copied()
                .filter(|ip| is_useful(*ip) && (ip.is_ipv4() || local.is_ipv6())),
        );
    } else {
        ips.push(local.ip().to_canonical());
    }
    ips.extend(extra);
    ips.sort_by_key(IpAddr::is_loopback);
    let mut out: Vec<SocketAddr> = Vec::new();
    for ip in ips {
        let address = SocketAddr::new(ip, local.port());
        if !out.contains(&address) && out.len() < MAX {
            out.push(address);
        }
    }
    out
}

/// Addresses of this machine's interfaces; none if the system does not tell.
pub(super) fn of_interfaces() -> Vec<IpAddr> {
    if_addrs::get_if_addrs()
        .map(|all| all.iter().map(if_addrs::Interface::ip).collect())
        .unwrap_or_default()
}

/// Link-local ones need to know the interface, which candidates cannot say.
fn is_useful(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn offered(local: &str, extra: &[&str]) -> Vec<String> {
        let interfaces =
            ips(&["127.0.0.1", "::1", "192.0.2.7", "169.254.1.1", "fe80::1", "2001:db8::7"]);
        to_offer(local.parse().unwrap(), &interfaces, &ips(extra))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn one_address_is_offered_alone() {
        assert_eq!(offered("127.0.0.1:8189", &[]), ["127.0.0.1:8189"]);
    }

    #[test]
    fn all_addresses_of_the_sockets_family_and_loopback_last() {
        assert_eq!(
            offered("0.0.0.0:1", &["198.51.100.1", "192.0.2.7"]),
            ["192.0.2.7:1", "198.51.100.1:1", "127.0.0.1:1"]
        );
        assert_eq!(
            offered("[::]:1", &[]),
            ["192.0.2.7:1", "[2001:db8::7]:1", "127.0.0.1:1", "[::1]:1"]
        );
    }
}
