//! Memory that sessions show to others of the same ticket: descriptors, which the gate keeps and passes on and never looks into.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use farwarp_protocol::handoff::OfferKey;

/// Each offer is a descriptor of the gate's. One of a session stands for a chunk of its memory, in which many allocations lie.
const OFFERS_OF_A_SESSION_MAX: usize = 64;
/// Of all sessions together, so that there are descriptors left for connections.
const OFFERS_MAX: usize = 512;

#[derive(Debug, Default)]
pub struct Offers(HashMap<OfferKey, Offer>);

#[derive(Debug)]
struct Offer {
    session: u64,
    ticket: String,
    descriptor: OwnedFd,
}

impl Offers {
    /// Keeps it, where there is room and the key is nobody's: else opening it will fail.
    pub fn put(&mut self, session: u64, ticket: &str, key: OfferKey, descriptor: OwnedFd) {
        let own = self.0.values().filter(|offer| offer.session == session).count();
        if own < OFFERS_OF_A_SESSION_MAX && self.0.len() < OFFERS_MAX && !self.0.contains_key(&key) {
            self.0.insert(key, Offer { session, ticket: ticket.to_owned(), descriptor });
        }
    }

    /// Only whoever made an offer takes it back.
    pub fn withdraw(&mut self, session: u64, key: &OfferKey) {
        if self.0.get(key).is_some_and(|offer| offer.session == session) {
            self.0.remove(key);
        }
    }

    pub fn find(&self, ticket: &str, key: &OfferKey) -> Option<BorrowedFd<'_>> {
        let offer = self.0.get(key).filter(|offer| offer.ticket == ticket)?;
        Some(offer.descriptor.as_fd())
    }

    pub fn session_ended(&mut self, session: u64) {
        self.0.retain(|_, offer| offer.session != session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn an_offer_is_found_with_its_own_ticket_only_and_until_its_session_takes_it_back_or_ends() {
        let mut offers = Offers::default();
        let (first, second) = ([1; 16], [2; 16]);
        offers.put(1, "owner", first, descriptor());
        offers.put(1, "owner", second, descriptor());
        assert!(offers.find("owner", &first).is_some() && offers.find("guest", &first).is_none());
        offers.put(2, "guest", first, descriptor());
        assert!(offers.find("guest", &first).is_none(), "a key is its first owner's");
        offers.withdraw(2, &first);
        assert!(offers.find("owner", &first).is_some());
        offers.withdraw(1, &first);
        assert!(offers.find("owner", &first).is_none() && offers.find("owner", &second).is_some());
        offers.session_ended(1);
        assert!(offers.find("owner", &second).is_none());
    }

    #[test]
    fn a_session_offers_no_more_than_its_share() {
        let mut offers = Offers::default();
        for number in 0..=OFFERS_OF_A_SESSION_MAX as u8 {
            offers.put(1, "owner", [number; 16], descriptor());
        }
        assert!(offers.find("owner", &[OFFERS_OF_A_SESSION_MAX as u8; 16]).is_none());
        offers.put(2, "owner", [255; 16], descriptor());
        assert!(offers.find("owner", &[255; 16]).is_some());
    }
}
