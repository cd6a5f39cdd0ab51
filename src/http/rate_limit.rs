//! How many requests one client may send.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use http_server::Client;

/// How long a client may save up requests. After so much time without any it may send a second's worth at once.
const BURST: Duration = Duration::from_secs(1);

/// The most clients that are told apart. Beyond, those that come new share one allowance.
const MAX_CLIENTS: usize = 10_000;

/// A token bucket for each client, kept as the time at which it will be full again (GCRA, the generic cell rate
/// algorithm of ITU-T I.371).
pub struct RateLimit {
    /// Time that one request takes from the bucket. `None` without a limit.
    interval: Option<Duration>,
    full_at: RefCell<HashMap<Client, Instant>>,
    /// When the clients whose buckets are full were last forgotten.
    swept_at: Cell<Option<Instant>>,
}

impl RateLimit {
    /// At most `per_second` requests of each client; 0 is no limit.
    pub fn new(per_second: u32) -> Self {
        let interval = (per_second > 0).then(|| BURST / per_second);
        Self { interval, full_at: RefCell::default(), swept_at: Cell::new(None) }
    }

    /// Counts a request of `client`. Tells whether it may be served.
    pub fn admits(&self, client: Client, now: Instant) -> bool {
        let Some(interval) = self.interval else { return true };
        let mut full_at = self.full_at.borrow_mut();
        let mut key = client.map(network);
        if full_at.len() >= MAX_CLIENTS && !full_at.contains_key(&key) {
            self.sweep(&mut full_at, now);
            if full_at.len() >= MAX_CLIENTS {
                key = None;
            }
        }
        let full = full_at.get(&key).copied().unwrap_or(now).max(now) + interval;
        let admits = full <= now + BURST;
        if admits {
            full_at.insert(key, full);
        }
        admits
    }

    /// Forgets the clients whose buckets are full. Not more than once in the time that fills a bucket, as it looks at all.
    fn sweep(&self, full_at: &mut HashMap<Client, Instant>, now: Instant) {
        let is_due = |at| now.saturating_duration_since(at) >= BURST;
        if self.swept_at.get().is_none_or(is_due) {
            self.swept_at.set(Some(now));
            full_at.retain(|_, full| *full > now);
        }
    }
}

/// What one client has: an IPv4 address, or the 64 bits in front that a provider gives to one customer (RFC 6177).
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Client {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn a_client_has_a_second_worth_at_once_and_then_its_rate() {
        let limit = RateLimit::new(10);
        let now = Instant::now();
        let admitted = |at| (0..100).filter(|_| limit.admits(address(1), at)).count();
        assert_eq!(admitted(now), 10);
        assert_eq!(admitted(now + Duration::from_millis(99)), 0);
        assert_eq!(admitted(now + Duration::from_millis(100)), 1);
        assert_eq!(admitted(now + Duration::from_millis(350)), 2);
        assert_eq!(admitted(now + Duration::from_secs(60)), 10);
        assert_eq!(admitted(now), 0, "a clock does not go back, but nothing breaks if it does");
    }

    #[test]
    fn clients_do_not_take_from_each_other() {
        let limit = RateLimit::new(1);
        let now = Instant::now();
        let admits = |client: &str| limit.admits(Some(client.parse().unwrap()), now);
        assert!(admits("192.0.2.1") && !admits("192.0.2.1"));
        assert!(admits("192.0.2.2"));
        assert!(admits("2001:db8::1"));
        assert!(!admits("2001:db8::ffff:2"), "the same network");
        assert!(admits("2001:db8:0:1::1"));
        assert!(limit.admits(None, now) && !limit.admits(None, now));
    }

    #[test]
    fn without_a_limit_everything_is_admitted_and_nothing_is_kept() {
        let limit = RateLimit::new(0);
        assert!((0..100).all(|_| limit.admits(address(1), Instant::now())));
        assert!(limit.full_at.borrow().is_empty());
    }

    #[test]
    fn many_clients_take_bounded_memory() {
        let limit = RateLimit::new(2);
        let now = Instant::now();
        let many = u32::try_from(MAX_CLIENTS).unwrap();
        assert!((1..=many).all(|number| limit.admits(address(number), now)));
        let admitted = (many + 1..many + 100).filter(|number| limit.admits(address(*number), now));
        assert_eq!(admitted.count(), 2, "those that come new share one");
        assert!(limit.admits(address(1), now), "those that were there before do not");
        assert!(limit.full_at.borrow().len() <= MAX_CLIENTS + 1);
        let later = now + Duration::from_secs(2);
        assert!(limit.admits(address(many + 1), later));
        assert_eq!(limit.full_at.borrow().len(), 1, "the others are forgotten");
    }
}
