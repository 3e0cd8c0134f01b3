//! Why a space did not do what it was asked. Knows neither status nor close codes.

use super::doc;
use thexr_schema::ids::Seq;

/// Why a space did not do what it was asked; one variant per thing a caller does differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The space has stopped: ask the registry for it again.
    #[error("the space is restarting")]
    Restarting,
    /// There is no such space (any more).
    #[error("there is no such space")]
    Gone,
    /// No room on the disk.
    #[error("the disk is full: reading works, writing does not")]
    Full,
    /// The stored data is damaged; it is kept as it is and not served.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(String),
    /// Too many connections, or restarting too often.
    #[error("the space is too busy")]
    Busy,
    /// The update cannot be taken.
    #[error("{0}")]
    Refused(doc::Refused),
    /// The entity is not there.
    #[error("there is no such entity")]
    NoEntity,
    /// The entity is there, the component is not.
    #[error("the entity has no such component")]
    NoComponent,
    /// The member is not in the space.
    #[error("there is no such member")]
    NoMember,
    /// The id is taken.
    #[error("this id is taken")]
    Exists,
    /// The edit was for another state of the space.
    #[error("the space is not as the edit expects it")]
    Changed,
    /// What the edit makes of a component breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// The edit would take the space over a limit; the text says which.
    #[error("{0}")]
    TooLarge(&'static str),
    /// A moment that is not kept any more, or has not come.
    #[error("only the states after events {oldest} to {newest} are kept")]
    NotKept {
        /// The oldest that is.
        oldest: Seq,
        /// The newest.
        newest: Seq,
    },
    /// A compaction is under way.
    #[error("a compaction of this space is under way")]
    AlreadyCompacting,
}

impl From<crate::store::StoreError> for Trouble {
    fn from(error: crate::store::StoreError) -> Self {
        use crate::store::StoreError as E;
        match error {
            E::Gone => Self::Gone,
            E::Full => Self::Full,
            E::Damaged(what) => Self::Damaged(what),
            E::Exists => Self::Exists,
            E::Db(_) => Self::Database(error.to_string()),
        }
    }
}
