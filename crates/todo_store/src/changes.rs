//! What has changed in a store, for those who follow it.
//!
//! A store numbers its changes. Numbers of a database that several servers share may show up out of their order: a statement
//! takes its number before others can see what it did. So who follows a store remembers which numbers are missing, until
//! they cannot come any more.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
#[cfg(feature = "postgres")]
use std::time::Duration;
use std::time::Instant;

use todo_model::{Todo, TodoId};

use crate::Epoch;

/// The most changes that a store gives at one time.
pub(crate) const MAX_CHANGES: usize = 500;

/// The most numbers that are remembered as missing, in ranges. Of more, the oldest are given up.
#[cfg(feature = "postgres")]
const MAX_GAPS: usize = 1_000;

/// A place in a store's changes, as clients can keep it: whoever goes on from it misses nothing, but may see some changes
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(crate) stream: Epoch,
    pub(crate) number: u64,
}

/// 16 hexadecimal digits, a dash, and a number.
impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.stream, self.number)
    }
}

/// A text is not a [`Mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMark;

impl FromStr for Mark {
    type Err = InvalidMark;

    fn from_str(text: &str) -> Result<Self, InvalidMark> {
        let (stream, number) = text.split_once('-').ok_or(InvalidMark)?;
        let stream = u64::from_str_radix(stream, 16).map_err(|_| InvalidMark)?;
        let mark =
            Self { stream: Epoch::from(stream), number: number.parse().map_err(|_| InvalidMark)? };
        // There is one way to write it.
        if mark.to_string() == text { Ok(mark) } else { Err(InvalidMark) }
    }
}

/// How far somebody has followed a store's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    stream: Epoch,
    /// The greatest number that was seen.
    last: u64,
    /// The numbers below it that were not seen and may still come, rising.
    gaps: Vec<Gap>,
}

/// Numbers that were not seen, from the first to the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gap {
    first: u64,
    last: u64,
    /// When a greater number was seen.
    since: Instant,
}

impl From<Mark> for Position {
    fn from(Mark { stream, number }: Mark) -> Self {
        Self { stream, last: number, gaps: Vec::new() }
    }
}

impl Position {
    /// Behind everything up to `number`.
    pub(crate) fn new(stream: Epoch, number: u64) -> Self {
        Mark { stream, number }.into()
    }

    /// Which stream it is in.
    pub(crate) fn stream(&self) -> Epoch {
        self.stream
    }

    /// The greatest number that was seen.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// From where to go on later: behind the last number of which none below is missing.
    pub fn mark(&self) -> Mark {
        let number = self.gaps.first().map_or(self.last, |gap| gap.first.saturating_sub(1));
        Mark { stream: self.stream, number }
    }
}

#[cfg(feature = "postgres")]
impl Position {
    /// Behind the last of the `numbers` that are visible, which rise. Others up to `looked_back` before it may still come.
    pub(crate) fn behind(stream: Epoch, numbers: &[u64], looked_back: u64, now: Instant) -> Self {
        let last = numbers.last().copied().unwrap_or_default();
        let mut position = Self::new(stream, last.saturating_sub(looked_back));
        for number in numbers {
            position.see(*number, now);
        }
        position
    }

    /// Takes note of a number that was seen.
    pub(crate) fn see(&mut self, number: u64, now: Instant) {
        if number > self.last {
            if number - self.last > 1 {
                self.gaps.push(Gap { first: self.last + 1, last: number - 1, since: now });
            }
            self.last = number;
            return;
        }
        let holds = |gap: &Gap| (gap.first..=gap.last).contains(&number);
        let Some(index) = self.gaps.iter().position(holds) else { return };
        let Gap { first, last, since } = self.gaps.remove(index);
        let rest = [(first, number.saturating_sub(1)), (number.saturating_add(1), last)];
        let rest = rest.into_iter().filter(|(first, last)| first <= last);
        let rest = rest.map(|(first, last)| Gap { first, last, since });
        self.gaps.splice(index..index, rest);
    }

    /// Gives up the numbers that are missing for as long as `patience`: they were taken before greater ones were seen, by
    /// statements that have ended since, without an effect.
    pub(crate) fn give_up(&mut self, now: Instant, patience: Duration) {
        self.gaps.retain(|gap| now.saturating_duration_since(gap.since) < patience);
        let surplus = self.gaps.len().saturating_sub(MAX_GAPS);
        self.gaps.drain(..surplus);
    }

    /// The numbers that were not seen yet, as ranges with their ends.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = (u64, u64)> {
        let gaps = self.gaps.iter().map(|gap| (gap.first, gap.last));
        gaps.chain([(self.last.saturating_add(1), u64::MAX)])
    }
}

/// A todo that was changed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its id.
    pub id: TodoId,
    /// The todo, unless it is deleted.
    pub todo: Option<Rc<Todo>>,
    /// From where to go on behind this change.
    pub mark: Mark,
}

/// What has changed behind a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Each todo once, in the order of its last change.
    pub changes: Vec<Change>,
    /// The position behind them.
    pub position: Position,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_written_in_one_way() {
        let mark = Mark { stream: Epoch::from(0xab), number: 7 };
        assert_eq!(mark.to_string(), "00000000000000ab-7");
        assert_eq!("00000000000000ab-7".parse(), Ok(mark));
        for text in [
            "",
            "-",
            "ab-7",
            "00000000000000AB-7",
            "00000000000000ab",
            "00000000000000ab-",
            "00000000000000ab-07",
            "00000000000000ab-+7",
            "00000000000000ab--7",
            "00000000000000ab-7 ",
            "00000000000000ab-18446744073709551616",
        ] {
            assert_eq!(text.parse::<Mark>(), Err(InvalidMark), "{text}");
        }
    }

    #[cfg(feature = "postgres")]
    mod gaps {
        use super::*;

        const PATIENCE: Duration = Duration::from_secs(10);

        fn seen(numbers: &[u64], now: Instant) -> Position {
            let mut position = Position::new(Epoch::from(1), 10);
            for number in numbers {
                position.see(*number, now);
            }
            position
        }

        fn unseen(position: &Position) -> Vec<(u64, u64)> {
            position.unseen().collect()
        }

        #[test]
        fn numbers_in_their_order_leave_nothing_behind() {
            let position = seen(&[11, 12, 13], Instant::now());
            assert_eq!(position.mark().number, 13);
            assert_eq!(unseen(&position), [(14, u64::MAX)]);
        }

        #[test]
        fn what_is_missing_is_waited_for_and_the_mark_stays_before_it() {
            let now = Instant::now();
            let mut position = seen(&[11, 13, 17], now);
            assert_eq!(position.mark().number, 11);
            assert_eq!(unseen(&position), [(12, 12), (14, 16), (18, u64::MAX)]);
            position.see(15, now);
            assert_eq!(unseen(&position), [(12, 12), (14, 14), (16, 16), (18, u64::MAX)]);
            position.see(12, now);
            assert_eq!(position.mark().number, 13);
            position.see(16, now);
            position.see(14, now);
            assert_eq!(position.mark().number, 17);
            assert_eq!(unseen(&position), [(18, u64::MAX)]);
            // What was seen already changes nothing.
            let before = position.clone();
            position.see(12, now);
            position.see(17, now);
            assert_eq!(position, before);
        }

        #[test]
        fn what_was_begun_before_one_starts_to_follow_may_still_come() {
            let behind = |numbers: &[u64], looked_back| {
                let now = Instant::now();
                let position = Position::behind(Epoch::from(1), numbers, looked_back, now);
                (position.mark().number, unseen(&position))
            };
            assert_eq!(behind(&[], 5), (0, vec![(1, u64::MAX)]));
            assert_eq!(behind(&[1, 2], 5), (2, vec![(3, u64::MAX)]));
            assert_eq!(behind(&[2], 5), (0, vec![(1, 1), (3, u64::MAX)]));
            assert_eq!(behind(&[8, 9, 10], 3), (10, vec![(11, u64::MAX)]));
            assert_eq!(behind(&[9, 10], 3), (7, vec![(8, 8), (11, u64::MAX)]));
        }

        #[test]
        fn what_does_not_come_in_time_is_given_up() {
            let began = Instant::now();
            let mut position = seen(&[12], began);
            position.see(14, began + PATIENCE / 2);
            position.give_up(began + PATIENCE - Duration::from_nanos(1), PATIENCE);
            assert_eq!(position.mark().number, 10);
            position.give_up(began + PATIENCE, PATIENCE);
            assert_eq!(position.mark().number, 12, "13 may still come");
            assert_eq!(unseen(&position), [(13, 13), (15, u64::MAX)]);
            position.give_up(began + 2 * PATIENCE, PATIENCE);
            assert_eq!(position.mark().number, 14);
        }

        #[test]
        fn a_number_that_comes_late_does_not_make_the_others_wait_longer() {
            let began = Instant::now();
            let mut position = seen(&[14], began);
            position.see(12, began + PATIENCE / 2);
            position.give_up(began + PATIENCE, PATIENCE);
            assert_eq!(position.mark().number, 14);
        }

        #[test]
        fn what_is_remembered_is_bounded() {
            let now = Instant::now();
            let numbers: Vec<_> = (6..10_000).map(|number| number * 2).collect();
            let mut position = seen(&numbers, now);
            position.give_up(now, PATIENCE);
            assert_eq!(position.unseen().count(), MAX_GAPS + 1);
            position.see(u64::MAX, now);
            assert_eq!(position.last(), u64::MAX);
            assert_eq!(unseen(&position).last(), Some(&(u64::MAX, u64::MAX)));
        }
    }
}
