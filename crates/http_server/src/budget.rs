//! The memory that all requests and responses together may take. Running out of memory ends a WebAssembly module, so it
//! is reserved here before it is taken.

use std::cell::Cell;
use std::rc::Rc;

/// A number of bytes that reservations share. Clones share it, too.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Rc<Budget>);

#[derive(Debug)]
struct Budget {
    limit: usize,
    reserved: Cell<usize>,
}

/// Bytes of a [`MemoryBudget`], given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Rc::new(Budget { limit, reserved: Cell::new(0) }))
    }

    /// Reserves `bytes`, or nothing if they are not left.
    pub fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation { budget: self.clone(), bytes: 0 };
        reservation.grow(bytes).then_some(reservation)
    }

    /// How many bytes are reserved.
    pub fn reserved(&self) -> usize {
        self.0.reserved.get()
    }

    /// How many bytes can be reserved in all.
    pub fn limit(&self) -> usize {
        self.0.limit
    }
}

impl Reservation {
    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves `more` bytes, or no more if they are not left. Tells which.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let Budget { limit, reserved } = &*self.budget.0;
        let sum = reserved.get().saturating_add(more);
        let fits = sum <= *limit;
        if fits {
            reserved.set(sum);
            self.bytes += more;
        }
        fits
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.budget.0.reserved.set(self.budget.0.reserved.get() - less);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_reserved_than_there_is() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.reserve(60).unwrap();
        assert!(budget.reserve(41).is_none());
        assert!(budget.reserve(usize::MAX).is_none());
        assert!(first.grow(40) && !first.grow(1));
        assert_eq!(budget.reserved(), 100);
        first.shrink_to(30);
        first.shrink_to(50);
        assert_eq!(budget.reserved(), 30, "it does not grow by shrinking");
        let second = budget.reserve(70).unwrap();
        drop((first, second));
        assert_eq!(budget.reserved(), 0);
    }
}
