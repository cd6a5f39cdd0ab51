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
    /// The name of the starter's own copy.
    copy: String,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    CreateCopy,
    FindHighest,
    LookWhetherReleased(u64),
    Challenge(u64),
    Watch { number: u64, since: Duration },
    LookWhetherAnswered(u64),
    Claim(u64),
    LookWhetherHighest(u64),
    GiveUp(u64),
    Sweep { number: u64, names: Vec<String> },
}

impl Starter {
    /// A starter whose copy is named by `token`, which no other process has.
    pub fn new(file: &str, token: &str) -> Self {
        let (file, copy) = (file.to_owned(), format!("{file}.{token}.copy"));
        Self { file, copy, state: State::CreateCopy }
    }

    /// The name of its copy.
    pub fn copy(&self) -> &str {
        &self.copy
    }

    /// It watches the challenge of this lease.
    pub fn watches(&self) -> Option<u64> {
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
            State::CreateCopy => {
                if !folder.create_new(&self.copy)? {
                    return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
                }
                State::FindHighest
            }
            State::FindHighest => match highest(&self.file, &folder.list()?) {
                Some(number) => State::LookWhetherReleased(number),
                None => State::Claim(1),
            },
            State::LookWhetherReleased(number) => {
                match folder.read(&lease(&self.file, *number))? {
                    Some(content) if content == RELEASED => State::Claim(*number + 1),
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
                    State::Claim(*number + 1)
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
                true => State::LookWhetherHighest(*number),
                false => State::FindHighest,
            },
            State::LookWhetherHighest(number) => {
                let names = folder.list()?;
                if highest(&self.file, &names).is_some_and(|highest| highest > *number) {
                    State::GiveUp(*number)
                } else {
                    let names = stale(&self.file, &self.copy, *number, names);
                    State::Sweep { number: *number, names }
                }
            }
            State::GiveUp(number) => {
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

/// The name of a lease.
pub(crate) fn lease(file: &str, number: u64) -> String {
    format!("{file}.lease.{number}")
}

/// The name of its challenge.
pub(crate) fn challenge(file: &str, number: u64) -> String {
    format!("{file}.lease.{number}.challenge")
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
    Copy,
}

impl Name {
    fn of(file: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(file)?.strip_prefix('.')?;
        let number =
            |text: &str| text.parse().ok().filter(|number: &u64| number.to_string() == text);
        match rest.strip_prefix("lease.") {
            Some(rest) => match rest.strip_suffix(".challenge") {
                Some(rest) => number(rest).map(Self::Challenge),
                None => number(rest).map(Self::Lease),
            },
            None => {
                let token = rest.strip_suffix(".copy")?;
                let is_token = !token.is_empty() && token.bytes().all(|b| b.is_ascii_hexdigit());
                is_token.then_some(Self::Copy)
            }
        }
    }

    fn lease(self) -> Option<u64> {
        if let Self::Lease(number) = self { Some(number) } else { None }
    }
}

/// What the holder of `own` has to remove. The last one is to be removed first: copies, then leases from the lowest one.
fn stale(file: &str, own_copy: &str, own: u64, names: Vec<String>) -> Vec<String> {
    let rank = |name: &String| match Name::of(file, name)? {
        Name::Copy if name != own_copy => Some(0),
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
        assert_eq!(Name::of("x", "x.0a.copy"), Some(Name::Copy));
        for name in [
            "x",
            "x.lease.",
            "x.lease.07",
            "x.lease.+7",
            "x.lease.7.copy",
            "y.lease.7",
            "x.copy",
            "x.old.copy",
            "x.lease.99999999999999999999",
            "xx.lease.1",
        ] {
            assert_eq!(Name::of("x", name), None, "{name}");
        }
    }

    #[test]
    fn what_is_stale_goes_in_an_order_in_which_a_former_holder_notices() {
        let names = [
            "x",
            "x.lease.3",
            "x.aa.copy",
            "x.lease.5",
            "x.lease.4",
            "x.lease.4.challenge",
            "x.bb.copy",
            "x.lease.2",
            "y.cc.copy",
        ];
        let names = names.map(str::to_owned).to_vec();
        let mut stale = stale("x", "x.bb.copy", 5, names);
        stale.reverse();
        assert_eq!(stale, ["x.aa.copy", "x.lease.2", "x.lease.3", "x.lease.4.challenge"]);
    }
}
