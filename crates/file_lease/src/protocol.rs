//! How a starter becomes the holder, one operation on the folder at a time, so that a test can walk all interleavings.

use std::io;
use std::time::Duration;

use crate::{AcquireError, TERM};

/// How often a challenger looks whether its challenge is answered.
const LOOK: Duration = Duration::from_millis(20);

/// What a released lease holds.
pub(crate) const RELEASED: &[u8] = b"released";

/// The folder of the file that the lease is for. Every operation is atomic.
pub trait Folder {
    /// Creates an empty file. `false` if there is one of this name.
    ///
    /// # Errors
    /// Those of the system.
    fn create_new(&mut self, name: &str) -> io::Result<bool>;

    /// The names of all files.
    ///
    /// # Errors
    /// Those of the system.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Whether there is a file of this name.
    ///
    /// # Errors
    /// Those of the system.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// What a file holds. `None` if it is not there.
    ///
    /// # Errors
    /// Those of the system.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// Those of the system.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// What is to be done after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next step.
    Continue,
    /// The next step, after this time.
    Wait(Duration),
    /// Nothing more: the lease with this number is held.
    Hold(u64),
}

/// A process that wants to be the holder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Starter {
    /// The name of the file that the lease is for.
    file: String,
    token: String,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    FindHighest,
    LookWhetherReleased(u64),
    Challenge(u64),
    Watch { number: u64, since: Duration },
    LookWhetherAnswered(u64),
    Claim(u64),
    CreateCopy(u64),
    LookWhetherHighest(u64),
    GiveUp(u64),
    Sweep { number: u64, names: Vec<String> },
}

impl Starter {
    /// A starter whose copies are named by `token`, hexadecimal digits that no other process has.
    pub fn new(file: &str, token: &str) -> Self {
        Self { file: file.to_owned(), token: token.to_owned(), state: State::FindHighest }
    }

    /// The name of its copy under the lease with this number.
    pub fn copy(&self, number: u64) -> String {
        copy(&self.file, &self.token, number)
    }

    /// Its next step lists the folder.
    #[cfg(test)]
    pub(crate) fn lists(&self) -> bool {
        use State::{FindHighest, LookWhetherAnswered, LookWhetherHighest};
        matches!(self.state, FindHighest | LookWhetherAnswered(_) | LookWhetherHighest(_))
    }

    /// It has created the lease with this number, and is not its holder yet.
    #[cfg(test)]
    pub(crate) fn claims(&self) -> Option<u64> {
        match self.state {
            State::CreateCopy(number)
            | State::LookWhetherHighest(number)
            | State::Sweep { number, .. } => Some(number),
            _ => None,
        }
    }

    /// It watches the challenge of this lease.
    #[cfg(test)]
    pub(crate) fn watches(&self) -> Option<u64> {
        match self.state {
            State::Watch { number, .. } => Some(number),
            _ => None,
        }
    }

    /// Does the next operation. `now` is the time by a clock that only rises.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub fn step(
        &mut self,
        folder: &mut impl Folder,
        now: Duration,
    ) -> Result<Action, AcquireError> {
        self.state = match &mut self.state {
            State::FindHighest => match highest(&self.file, &folder.list()?) {
                Some(number) => State::LookWhetherReleased(number),
                None => State::Claim(1),
            },
            State::LookWhetherReleased(number) => {
                match folder.read(&lease(&self.file, *number))? {
                    Some(content) if content == RELEASED => State::Claim(following(*number)?),
                    Some(_) => State::Challenge(*number),
                    None => State::FindHighest,
                }
            }
            State::Challenge(number) => {
                folder.create_new(&challenge(&self.file, *number))?;
                State::Watch { number: *number, since: now }
            }
            State::Watch { number, since } => {
                if !folder.exists(&challenge(&self.file, *number))? {
                    State::LookWhetherAnswered(*number)
                } else if now.saturating_sub(*since) >= TERM {
                    State::Claim(following(*number)?)
                } else {
                    return Ok(Action::Wait(LOOK));
                }
            }
            State::LookWhetherAnswered(number) => {
                // Only its holder removes the challenge of the highest lease.
                if highest(&self.file, &folder.list()?) == Some(*number) {
                    return Err(AcquireError::InUse);
                }
                State::FindHighest
            }
            State::Claim(number) => match folder.create_new(&lease(&self.file, *number))? {
                true => State::CreateCopy(*number),
                false => State::FindHighest,
            },
            State::CreateCopy(number) => {
                if !folder.create_new(&copy(&self.file, &self.token, *number))? {
                    return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
                }
                State::LookWhetherHighest(*number)
            }
            State::LookWhetherHighest(number) => {
                let names = folder.list()?;
                if highest(&self.file, &names).is_some_and(|highest| highest > *number) {
                    State::GiveUp(*number)
                } else {
                    let copy = copy(&self.file, &self.token, *number);
                    let names = stale(&self.file, &copy, *number, names);
                    State::Sweep { number: *number, names }
                }
            }
            State::GiveUp(number) => {
                // The holder of a higher one removes the copy.
                folder.remove(&lease(&self.file, *number))?;
                State::FindHighest
            }
            State::Sweep { number, names } => {
                let Some(name) = names.pop() else { return Ok(Action::Hold(*number)) };
                folder.remove(&name)?;
                return Ok(Action::Continue);
            }
        };
        Ok(Action::Continue)
    }
}

/// The number behind this one, which has one behind it as well: a holder looks for that.
fn following(number: u64) -> io::Result<u64> {
    let following = number.checked_add(1).filter(|following| *following < u64::MAX);
    following.ok_or_else(|| io::Error::other(format!("there is no lease behind number {number}")))
}

/// The name of a lease.
pub(crate) fn lease(file: &str, number: u64) -> String {
    format!("{file}.lease.{number}")
}

/// The name of its challenge.
pub(crate) fn challenge(file: &str, number: u64) -> String {
    format!("{file}.lease.{number}.challenge")
}

/// The name of a copy. It tells the lease, so that a former holder that goes on does not remove those of later ones.
fn copy(file: &str, token: &str, number: u64) -> String {
    format!("{file}.lease.{number}.{token}.copy")
}

/// The highest number of a lease among `names`.
pub(crate) fn highest(file: &str, names: &[String]) -> Option<u64> {
    names.iter().filter_map(|name| Name::of(file, name)?.lease()).max()
}

/// What a file beside the one with the lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Lease(u64),
    Challenge(u64),
    Copy(u64),
}

impl Name {
    fn of(file: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(file)?.strip_prefix('.')?;
        let number =
            |text: &str| text.parse().ok().filter(|number: &u64| number.to_string() == text);
        let mut parts = rest.strip_prefix("lease.")?.split('.');
        let number = number(parts.next()?)?;
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Some(Self::Lease(number)),
            (Some("challenge"), None, _) => Some(Self::Challenge(number)),
            (Some(_), Some("copy"), None) => Some(Self::Copy(number)),
            _ => None,
        }
    }

    fn lease(self) -> Option<u64> {
        if let Self::Lease(number) = self { Some(number) } else { None }
    }
}

/// What the holder of `own` has to remove. The last one is to be removed first: copies, then leases from the lowest one.
fn stale(file: &str, own_copy: &str, own: u64, names: Vec<String>) -> Vec<String> {
    let rank = |name: &String| match Name::of(file, name)? {
        Name::Copy(number) if number <= own && name != own_copy => Some(0),
        // The one before stays.
        Name::Lease(number) if number.saturating_add(1) < own => Some(number),
        Name::Challenge(number) if number < own => Some(u64::MAX),
        _ => None,
    };
    let mut stale: Vec<_> =
        names.into_iter().filter_map(|name| Some((rank(&name)?, name))).collect();
    stale.sort_unstable_by(|left, right| right.cmp(left));
    stale.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_known() {
        assert_eq!(Name::of("x", "x.lease.7"), Some(Name::Lease(7)));
        assert_eq!(Name::of("x", "x.lease.7.challenge"), Some(Name::Challenge(7)));
        assert_eq!(Name::of("x", "x.lease.7.0a.copy"), Some(Name::Copy(7)));
        for name in [
            "x",
            "x.lease.",
            "x.lease.07",
            "x.lease.+7",
            "x.lease.7.copy",
            "x.lease.7.0a.copy.old",
            "y.lease.7",
            "x.copy",
            "x.lease.99999999999999999999",
            "xx.lease.1",
        ] {
            assert_eq!(Name::of("x", name), None, "{name}");
        }
    }

    #[test]
    fn a_lease_has_a_number_behind_it() {
        assert_eq!(following(1).ok(), Some(2));
        assert_eq!(following(u64::MAX - 2).ok(), Some(u64::MAX - 1));
        for last in [u64::MAX - 1, u64::MAX] {
            let error = following(last).unwrap_err().to_string();
            assert_eq!(error, format!("there is no lease behind number {last}"));
        }
    }

    #[test]
    fn what_is_stale_goes_in_an_order_in_which_a_former_holder_notices() {
        let names = [
            "x",
            "x.lease.3",
            "x.lease.4.aa.copy",
            "x.lease.6.cc.copy",
            "x.lease.5",
            "x.lease.4",
            "x.lease.4.challenge",
            "x.lease.5.bb.copy",
            "x.lease.2",
            "y.lease.1.cc.copy",
        ];
        let names = names.map(str::to_owned).to_vec();
        let mut stale = stale("x", "x.lease.5.bb.copy", 5, names);
        stale.reverse();
        assert_eq!(stale, ["x.lease.4.aa.copy", "x.lease.2", "x.lease.3", "x.lease.4.challenge"]);
    }
}
