//! What happened: sweeps, trials, attempts and epochs in one SQLite database, and the only SQL that it sees.
//!
//! Who may do what:
//! - One [`Writer`] at a time opens a results folder. It holds the folder's lock as long as it lives, so a second
//!   coordinator is refused instead of deciding against the first.
//! - Any number of [`Reader`]s open the same folder. The database is in WAL mode: they never block the writer, and
//!   each call of theirs sees one moment of it.
//! - A results folder on a network file system is refused, by both: other machines would neither see the locks nor
//!   the log's index. One that was made for such a disk ([`Writer::open_shared`]) is opened by its writer alone, and readers
//!   read snapshots, which the writer makes ([`Writer::show`], and when it ends).
//! - What [`Writer::apply`] was given is on the disk when it returns. What others may see is said after that.
//!
//! What the rows say:
//! - A trial is stored once, whichever sweeps ask for it, under the hash of its content. Membership in a sweep is a
//!   row of its own, so a result is shared and never computed again.
//! - What a sweep does not want any more (cancelled) is said by its membership: the trial waits on for other sweeps. A
//!   trial that is complete or failed is so in every sweep.
//! - A trial has one accepted attempt at most, and one running attempt at most. The schema holds both.
//! - A trial's row repeats its newest epoch, so that ranking many trials reads no epoch rows; a complete member's row
//!   has its score, and a configuration the mean of its members' scores, so that the best are found without the others.
//! - Not-a-number is stored as NULL, because SQLite has no such number; it reads back as not-a-number.
//!
//! It owns what was written. It must not decide anything, and knows nothing of workers or of what people are shown.

mod busy;
mod connect;
mod error;
mod follow;
mod known;
mod lock;
mod lookup;
mod place;
mod ranked;
mod reader;
mod records;
mod remove;
mod rows;
mod schema;
mod snapshot;
mod verify;
mod whole;
mod writer;

pub use busy::BusyRow;
pub use error::StoreError;
pub use follow::Moment;
pub use frostline_results::DATABASE as FILE;
pub use reader::Reader;
pub use rows::{
    AttemptRow, Counts, EndedRow, GroupRow, Provenance, Put, RestoreRow, RunningRow, Spent, SpentRow, Sweep,
    SweepSummary, TrialDetail, TrialRow,
};
pub use verify::{Audit, Finding};
pub use whole::{Recorded, Whole};
pub use writer::Writer;

/// Opens `results` for reading. A database of an earlier version is brought up to date first, where it can be written.
///
/// # Errors
/// [`StoreError::Older`] where it is of an earlier version and stays so: it is in use, or cannot be written. Otherwise as
/// [`Reader::open`].
pub fn open(results: &std::path::Path) -> Result<Reader, StoreError> {
    match Reader::open(results) {
        // A writer makes a snapshot, too, when it ends.
        Err(error @ (StoreError::Older { .. } | StoreError::NoSnapshot { .. })) => {
            match Writer::open(results).map(drop) {
                Ok(()) => Reader::open(results),
                Err(_) => Err(error),
            }
        }
        opened => opened,
    }
}
