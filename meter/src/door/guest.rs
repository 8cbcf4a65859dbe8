//! Guests: visitors of a page who hold no key, counted by the address they come from.
//!
//! What a guest spends is the guest account's, so that its own limits in the journal are what holds. This
//! count keeps one visitor from using them up for the others: it is an isolate's own, so that a visitor
//! who reaches several is counted in each.
//!
//! # Bounds
//! At most [`VISITORS_MAX`] addresses are counted; where there are more, the one that came longest ago is
//! forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use crate::rate::Starts;
use crate::refusal::{Reason, Refusal};
use crate::time::UnixMs;

/// Most addresses that are counted at once; about 200 bytes each.
pub const VISITORS_MAX: usize = 4_096;

/// The leading bits of an IPv6 address that tell households apart: one is given a whole /64.
const HOUSEHOLD_MASK: u128 = !(u64::MAX as u128);

/// The visitors of the last minute.
#[derive(Debug, Default)]
pub struct Visitors {
    starts: BTreeMap<Option<IpAddr>, Starts>,
    /// In the order in which they first came.
    order: VecDeque<Option<IpAddr>>,
}

impl Visitors {
    /// Counts a call from this address, or refuses it when as many began in the last minute as may. All
    /// whose address is not known are one visitor.
    pub fn begin(&mut self, address: Option<&str>, limit: u32, now: UnixMs) -> Result<(), Refusal> {
        let visitor = address.and_then(|text| text.trim().parse().ok()).map(household);
        if let Some(wait_s) = self.starts.get(&visitor).and_then(|starts| starts.wait_s(limit, now))
        {
            let detail = "too many of a guest from this address";
            return Err(Refusal::with_detail(Reason::RateLimited, detail).retry_after(wait_s));
        }
        if !self.starts.contains_key(&visitor) {
            while self.order.len() >= VISITORS_MAX {
                let oldest = self.order.pop_front().flatten();
                self.starts.remove(&oldest);
            }
            self.order.push_back(visitor);
        }
        self.starts.entry(visitor).or_default().count(now);
        Ok(())
    }
}

fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & HOUSEHOLD_MASK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs::new(1_764_000_000_000);

    fn may(visitors: &mut Visitors, address: Option<&str>, now: UnixMs) -> bool {
        visitors.begin(address, 2, now).is_ok()
    }

    #[test]
    fn an_address_has_its_calls_a_minute_and_no_more() {
        let mut visitors = Visitors::default();
        let mut came = |address, now| may(&mut visitors, address, now);
        assert!(came(Some("192.0.2.1"), NOW) && came(Some("192.0.2.1"), NOW));
        assert!(!came(Some("192.0.2.1"), NOW.plus_ms(59_000)));
        assert!(!came(Some("::ffff:192.0.2.1"), NOW), "the same address");
        assert!(came(Some("192.0.2.2"), NOW));
        assert!(came(Some("192.0.2.1"), NOW.plus_ms(61_000)));
    }

    #[test]
    fn a_household_and_those_without_an_address_are_one_visitor_each() {
        let mut visitors = Visitors::default();
        assert!(may(&mut visitors, Some("2001:db8::1"), NOW));
        assert!(may(&mut visitors, Some("2001:db8::2"), NOW));
        assert!(!may(&mut visitors, Some("2001:db8::3"), NOW));
        assert!(may(&mut visitors, Some("2001:db8:0:1::1"), NOW));
        assert!(may(&mut visitors, None, NOW) && may(&mut visitors, Some("no address"), NOW));
        let refusal = visitors.begin(None, 2, NOW).unwrap_err();
        assert_eq!((refusal.reason, refusal.retry_after_s), (Reason::RateLimited, Some(61)));
    }

    #[test]
    fn the_first_of_too_many_visitors_is_forgotten() {
        let mut visitors = Visitors::default();
        let address =
            |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes()).to_string();
        assert!(visitors.begin(Some(&address(0)), 1, NOW).is_ok());
        for number in 1..=VISITORS_MAX {
            assert!(visitors.begin(Some(&address(number)), 1, NOW).is_ok());
        }
        assert_eq!((visitors.starts.len(), visitors.order.len()), (VISITORS_MAX, VISITORS_MAX));
        assert!(visitors.begin(Some(&address(VISITORS_MAX)), 1, NOW).is_err());
        assert!(visitors.begin(Some(&address(0)), 1, NOW).is_ok());
    }
}
