//! How many connections each client has.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Connections by client. Clones share the counts.
#[derive(Clone, Default)]
pub(crate) struct Clients(Rc<RefCell<HashMap<IpAddr, usize>>>);

/// One connection of a client, until it is dropped.
pub(crate) struct OfClient {
    clients: Clients,
    client: IpAddr,
}

impl Clients {
    /// Counts a connection of `client`, unless it has `max` already.
    pub(crate) fn enter(&self, client: IpAddr, max: usize) -> Option<OfClient> {
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(client).or_default();
        (*count < max).then(|| {
            *count += 1;
            OfClient { clients: self.clone(), client }
        })
    }
}

impl Drop for OfClient {
    fn drop(&mut self) {
        let mut counts = self.clients.0.borrow_mut();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_as_many_connections_as_it_may_and_no_more() {
        let clients = Clients::default();
        let [one, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let first = clients.enter(one, 2);
        let second = clients.enter(one, 2);
        assert!(first.is_some() && second.is_some() && clients.enter(one, 2).is_none());
        assert!(clients.enter(other, 2).is_some());
        drop(first);
        assert!(clients.enter(one, 2).is_some());
        drop(second);
        assert!(clients.0.borrow().is_empty(), "nothing is kept of clients without connections");
    }
}
