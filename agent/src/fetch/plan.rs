//! Which way to a tree is cheapest. Pure: offers and what is on disk come in, a choice goes out.

use std::collections::BTreeSet;

use sanaga_proto::ids::TreeRoot;
use sanaga_proto::wire::offer::Offer;

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// This pack.
    Pack(Offer),
    /// There is a way, but it costs more than the policy allows.
    TooExpensive {
        /// What the cheapest way would cost, bytes.
        bytes: u64,
    },
    /// No offer leads there from here.
    NoWay,
}

/// Chooses the offer with the fewest bytes left to fetch. `here` are the trees that are whole on
/// this disk; `had` tells how many bytes of a pack are on disk already; a base in `damaged` is not
/// used. Never falls to something larger than `bytes_max`.
#[must_use]
pub fn choose(
    offers: &[Offer],
    root: &TreeRoot,
    here: &BTreeSet<TreeRoot>,
    had: impl Fn(&Offer) -> u64,
    bytes_max: Option<u64>,
) -> Plan {
    let left = |offer: &Offer| offer.pack_bytes.saturating_sub(had(offer));
    let cheapest = offers
        .iter()
        .filter(|offer| offer.root == *root && offer.base.is_none_or(|base| here.contains(&base)))
        .min_by_key(|offer| (left(offer), offer.base.is_none(), offer.frame_root));
    match cheapest {
        None => Plan::NoWay,
        Some(offer) if bytes_max.is_some_and(|max| left(offer) > max) => {
            Plan::TooExpensive { bytes: left(offer) }
        }
        Some(offer) => Plan::Pack(offer.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::ids::Digest;

    fn offer(base: Option<&[u8]>, root: &[u8], pack_bytes: u64) -> Offer {
        Offer {
            repository: Digest::of(b"r"),
            base: base.map(Digest::of),
            root: Digest::of(root),
            frame_root: Digest::of(&pack_bytes.to_be_bytes()),
            pack_bytes,
        }
    }

    #[test]
    fn the_fewest_bytes_win_and_a_base_must_be_here() {
        let offers = [
            offer(None, b"2", 900),
            offer(Some(b"1"), b"2", 40),
            offer(Some(b"0"), b"2", 20),
        ];
        let root = Digest::of(b"2");
        let here = BTreeSet::from([Digest::of(b"1")]);
        let none = |_: &Offer| 0;
        assert_eq!(
            choose(&offers, &root, &here, none, None),
            Plan::Pack(offers[1].clone())
        );
        assert_eq!(
            choose(&offers, &root, &BTreeSet::new(), none, None),
            Plan::Pack(offers[0].clone())
        );
        assert_eq!(
            choose(&offers, &Digest::of(b"3"), &here, none, None),
            Plan::NoWay
        );
    }

    #[test]
    fn what_is_on_disk_already_costs_nothing() {
        let offers = [offer(None, b"2", 900), offer(Some(b"1"), b"2", 40)];
        let here = BTreeSet::from([Digest::of(b"1")]);
        let had = |offer: &Offer| if offer.base.is_none() { 890 } else { 0 };
        assert_eq!(
            choose(&offers, &Digest::of(b"2"), &here, had, None),
            Plan::Pack(offers[0].clone())
        );
    }

    #[test]
    fn policy_bounds_the_cost() {
        let offers = [offer(None, b"2", 900)];
        let none = |_: &Offer| 0;
        let root = Digest::of(b"2");
        assert_eq!(
            choose(&offers, &root, &BTreeSet::new(), none, Some(899)),
            Plan::TooExpensive { bytes: 900 }
        );
        assert_eq!(
            choose(&offers, &root, &BTreeSet::new(), none, Some(900)),
            Plan::Pack(offers[0].clone())
        );
    }
}
