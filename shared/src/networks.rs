//! Networks that contain networks and addresses: what a NetworkPolicy opens, compared by meaning.

use crate::policy::{Egress, Network};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// A set of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// From CIDR notation; what cannot be read contains nothing.
    pub fn parse<T: AsRef<str>>(cidrs: &[T]) -> Self {
        Networks(cidrs.iter().filter_map(|cidr| read(cidr.as_ref())).collect())
    }

    /// Whether `address` is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether all of `network` is in one of them.
    pub fn cover(&self, network: &IpNet) -> bool {
        self.0.iter().any(|outer| outer.contains(network))
    }

    /// Whether the egress of `network` leads to `address` by what is written about addresses.
    pub fn reachable(network: &Network, address: IpAddr) -> bool {
        let Egress {
            internet,
            cidrs,
            except_cidrs,
            ..
        } = &network.egress;
        Networks::parse(cidrs).contain(address)
            || (*internet && !Networks::parse(except_cidrs).contain(address))
    }
}

/// The network that `cidr` is. One of addresses that stand for IPv4 (`::ffff:10.0.0.0/104`) is that of IPv4, as Go prints it
/// and network plugins take it.
fn read(cidr: &str) -> Option<IpNet> {
    let network = cidr.parse::<IpNet>().ok()?.trunc();
    let IpAddr::V6(address) = network.addr() else {
        return Some(network);
    };
    match (address.to_ipv4_mapped(), network.prefix_len().checked_sub(96)) {
        (Some(mapped), Some(prefix)) => Some(Ipv4Net::new(mapped, prefix).ok()?.into()),
        _ => Some(network),
    }
}

/// What of `block` without `except` lies outside what `egress` opens by addresses; `None` when nothing does.
pub fn beyond(block: &str, except: &[String], egress: &Egress) -> Option<String> {
    let Some(block) = read(block) else {
        return Some(block.to_owned());
    };
    let open = Networks::parse(&egress.cidrs);
    if open.cover(&block) {
        return None;
    }
    if !egress.internet {
        return Some(block.to_string());
    }
    let without = Networks::parse(except);
    let closed = Networks::parse(&egress.except_cidrs).0.into_iter();
    let left_open = |network: &IpNet| !open.cover(network) && !without.cover(network);
    closed
        // Where one holds the other, the smaller one is what both have in common.
        .filter_map(|closed| match (block.contains(&closed), closed.contains(&block)) {
            (true, _) => Some(closed),
            (_, true) => Some(block),
            _ => None,
        })
        .find(left_open)
        .map(|network| network.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_is_named() {
        let egress = Egress {
            cidrs: vec!["10.1.0.0/16".into()],
            ..Egress::default()
        };
        let beyond = |block: &str, except: &[&str]| {
            let except: Vec<String> = except.iter().map(|cidr| (*cidr).to_owned()).collect();
            super::beyond(block, &except, &egress)
        };
        assert_eq!(beyond("93.184.216.0/24", &[]), None);
        assert_eq!(beyond("10.1.2.0/24", &[]), None);
        assert_eq!(beyond("10.2.0.0/16", &[]).as_deref(), Some("10.2.0.0/16"));
        assert_eq!(beyond("0.0.0.0/0", &[]).as_deref(), Some("10.0.0.0/8"));
        let private = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
        ];
        assert_eq!(beyond("0.0.0.0/0", &private), None);
        assert_eq!(beyond("::/0", &["fc00::/7"]).as_deref(), Some("fe80::/10"));
        assert_eq!(beyond("10.1.0.7/8", &[]).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(beyond("::ffff:10.0.0.0/104", &[]).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(beyond("::ffff:0:0/96", &[]).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(beyond("::ffff:93.184.216.0/120", &[]), None);
        assert_eq!(beyond("nonsense", &[]).as_deref(), Some("nonsense"));
        let closed = Egress {
            internet: false,
            ..Egress::default()
        };
        assert!(super::beyond("93.184.216.0/24", &[], &closed).is_some());
    }
}
