//! What an error of a statement means.

use tokio_postgres::error::SqlState;

use crate::{Effect, Error, lost};

/// What is to be done about a statement that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing: this is the result.
    Failed(Error),
    /// The server gave it up because of others. If that goes on, this is the result.
    TryAgain(Error),
    /// The server does not know the prepared statement any more.
    PrepareAgain,
    /// The connection is of no use. Nothing is changed.
    Reconnect,
}

impl Outcome {
    /// What `error` means for a statement of this kind.
    pub(crate) fn of(error: &tokio_postgres::Error, effect: Effect) -> Self {
        match error.as_db_error() {
            Some(error) => Self::of_state(error.code(), error.message(), effect),
            None if error.is_closed() || is_io(error) => match effect {
                Effect::Read => Self::Reconnect,
                Effect::Write => Self::Failed(lost(effect)),
            },
            None => Self::Failed(Error::Refused(SqlState::INTERNAL_ERROR, error.to_string())),
        }
    }

    fn of_state(state: &SqlState, message: &str, effect: Effect) -> Self {
        let refused = || Error::Refused(state.clone(), message.to_owned());
        // A server that is shut down may have made the change before it noticed.
        let is_shutting_down = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::CONNECTION_FAILURE,
        ];
        let is_ambiguous =
            [SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN, SqlState::TRANSACTION_RESOLUTION_UNKNOWN];
        if is_worth_another_try(state) {
            Self::TryAgain(Error::Unreachable)
        } else if *state == SqlState::INVALID_SQL_STATEMENT_NAME || is_stale_plan(state, message) {
            Self::PrepareAgain
        } else if *state == SqlState::READ_ONLY_SQL_TRANSACTION {
            // The server is not the one that takes changes any more.
            Self::Reconnect
        } else if is_shutting_down.contains(state) && effect == Effect::Read {
            Self::Reconnect
        } else if is_shutting_down.contains(state) || is_ambiguous.contains(state) {
            Self::Failed(lost(effect))
        } else if *state == SqlState::QUERY_CANCELED {
            Self::Failed(Error::Unreachable)
        } else {
            Self::Failed(refused())
        }
    }
}

/// Whether a transaction that ended with this code had bad luck: it changed nothing, and may be made again.
fn is_worth_another_try(state: &SqlState) -> bool {
    let codes = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    codes.contains(state)
}

/// The tables were changed since the statement was prepared.
fn is_stale_plan(state: &SqlState, message: &str) -> bool {
    *state == SqlState::FEATURE_NOT_SUPPORTED && message.contains("cached plan")
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(state: &SqlState, effect: Effect) -> Outcome {
        Outcome::of_state(state, "cached plan must not change result type", effect)
    }

    #[test]
    fn what_had_bad_luck_is_tried_again_whatever_it_does() {
        for effect in [Effect::Read, Effect::Write] {
            for state in [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED] {
                assert_eq!(of(&state, effect), Outcome::TryAgain(Error::Unreachable));
            }
            assert_eq!(of(&SqlState::READ_ONLY_SQL_TRANSACTION, effect), Outcome::Reconnect);
            assert_eq!(of(&SqlState::INVALID_SQL_STATEMENT_NAME, effect), Outcome::PrepareAgain);
            assert_eq!(of(&SqlState::FEATURE_NOT_SUPPORTED, effect), Outcome::PrepareAgain);
        }
    }

    #[test]
    fn a_change_is_never_made_again_where_it_may_have_been_made() {
        for state in [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN] {
            assert_eq!(of(&state, Effect::Write), Outcome::Failed(Error::Undecided));
            assert_eq!(of(&state, Effect::Read), Outcome::Reconnect);
        }
        let unknown = SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
        assert_eq!(of(&unknown, Effect::Write), Outcome::Failed(Error::Undecided));
    }

    #[test]
    fn everything_else_is_the_result() {
        let refused = of(&SqlState::DISK_FULL, Effect::Write);
        assert!(matches!(refused, Outcome::Failed(Error::Refused(SqlState::DISK_FULL, _))));
        let canceled = of(&SqlState::QUERY_CANCELED, Effect::Write);
        assert_eq!(canceled, Outcome::Failed(Error::Unreachable));
    }
}
