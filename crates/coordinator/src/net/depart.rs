//! Checkpoints that go over a connection, to machines that do not see the results folder and ask for them. They are read as
//! they are written to the connection, piece by piece, with what else is to be said between them.

use crate::checkpoints::Checkpoints;
use frostline_protocol::{FromWorker, Piece, TaskKey, ToWorker};
use frostline_results::Parcel;
use frostline_sweep::outcome::AttemptId;
use tokio::task::block_in_place;

/// What one connection takes.
pub(super) struct Departures<'a> {
    checkpoints: &'a Checkpoints,
    going: Option<(AttemptId, Going)>,
}

enum Going {
    /// No checkpoint goes; whether the worker has the same.
    Kept(bool),
    /// The next piece begins at this byte.
    From(Parcel, u64),
}

impl<'a> Departures<'a> {
    pub(super) fn new(checkpoints: &'a Checkpoints) -> Departures<'a> {
        Departures { checkpoints, going: None }
    }

    /// Looks for what a worker asks for.
    pub(super) fn hear(&mut self, message: &FromWorker) {
        let FromWorker::Fetch { claim, have } = message else { return };
        let found = match claim.task {
            TaskKey::Trial(trial) => {
                let newest = self.checkpoints.newest(trial);
                let found = block_in_place(|| Parcel::find(&newest));
                let said = |error: &_| tracing::warn!("the checkpoint {} cannot be sent: {error}", newest.display());
                found.inspect_err(said).ok().flatten()
            }
            TaskKey::Fill(_) => None,
        };
        let going = match found {
            Some(parcel) if have.as_ref() != Some(&parcel.digest) => Going::From(parcel, 0),
            found => Going::Kept(found.is_some()),
        };
        self.going = Some((claim.attempt, going));
    }

    /// Whether there is anything to send.
    pub(super) fn is_going(&self) -> bool {
        self.going.is_some()
    }

    /// What is sent next.
    pub(super) fn next(&mut self) -> Option<ToWorker> {
        let (attempt, going) = self.going.take()?;
        let (parcel, at) = match going {
            Going::Kept(same) => return Some(ToWorker::Kept { attempt, same }),
            Going::From(parcel, at) => (parcel, at),
        };
        let bytes = match block_in_place(|| parcel.read(at)) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(attempt = attempt.0, "the rest of its checkpoint cannot be sent: {error}");
                return Some(ToWorker::Kept { attempt, same: false });
            }
        };
        let piece = Piece { at, of: parcel.bytes, digest: parcel.digest.clone(), bytes };
        let end = at + parcel.length(at);
        self.going = (end < parcel.bytes).then_some((attempt, Going::From(parcel, end)));
        Some(ToWorker::Piece { attempt, piece })
    }

    /// The worker is told this: what it has asked for may be of no use to it any more.
    pub(super) fn heed(&mut self, message: &ToWorker) {
        self.going.take_if(|(asked, _)| match message {
            ToWorker::Stop { attempt } => attempt == asked,
            ToWorker::Assign(assignment) => assignment.attempt != *asked,
            ToWorker::Drain => true,
            _ => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_protocol::Claim;
    use frostline_results::PIECE;
    use frostline_sweep::trial::TrialId;
    use std::collections::BTreeSet;
    use std::fs;

    const TRIAL: TrialId = TrialId([7; 16]);
    const ATTEMPT: AttemptId = AttemptId(3);

    fn fetch(have: Option<&str>) -> FromWorker {
        let claim = Claim { task: TaskKey::Trial(TRIAL), attempt: ATTEMPT };
        FromWorker::Fetch { claim, have: have.map(str::to_owned) }
    }

    fn kept(same: bool) -> Option<ToWorker> {
        Some(ToWorker::Kept { attempt: ATTEMPT, same })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_checkpoint_goes_in_pieces_and_only_where_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_owned(), BTreeSet::from([TRIAL]));
        let mut departures = Departures::new(&checkpoints);
        assert_eq!((departures.is_going(), departures.next()), (false, None));
        departures.hear(&FromWorker::Heartbeat);
        assert!(!departures.is_going());
        departures.hear(&fetch(None));
        assert_eq!((departures.is_going(), departures.next(), departures.next()), (true, kept(false), None));

        let content: Vec<u8> = (0..2 * PIECE + 7).map(|at| (at % 251) as u8).collect();
        let digest = blake3::hash(&content).to_hex().to_string();
        fs::write(checkpoints.newest(TRIAL), &content).unwrap();
        departures.hear(&fetch(Some(&digest)));
        assert_eq!((departures.next(), departures.next()), (kept(true), None));
        departures.hear(&fetch(Some("another")));
        // A newer one takes its name meanwhile.
        fs::write(folder.path().join("newer"), "newer").unwrap();
        fs::rename(folder.path().join("newer"), checkpoints.newest(TRIAL)).unwrap();
        let mut came = Vec::new();
        while let Some(message) = departures.next() {
            let ToWorker::Piece { attempt: ATTEMPT, piece } = message else { panic!("{message:?}") };
            assert_eq!((piece.at, piece.of), (came.len() as u64, content.len() as u64));
            assert_eq!(piece.digest, digest);
            came.extend(piece.bytes);
        }
        assert!(came == content);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_read_or_is_of_no_use_does_not_go() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_owned(), BTreeSet::from([TRIAL]));
        let mut departures = Departures::new(&checkpoints);
        let content = vec![7; PIECE as usize + 7];
        let begin = |departures: &mut Departures| {
            fs::write(checkpoints.newest(TRIAL), &content).unwrap();
            departures.hear(&fetch(None));
            assert!(matches!(departures.next(), Some(ToWorker::Piece { .. })));
        };
        begin(&mut departures);
        fs::write(checkpoints.newest(TRIAL), "cut short").unwrap();
        assert_eq!((departures.next(), departures.next()), (kept(false), None));
        for message in [ToWorker::Stop { attempt: ATTEMPT }, ToWorker::Drain] {
            begin(&mut departures);
            departures.heed(&ToWorker::Stop { attempt: AttemptId(4) });
            departures.heed(&ToWorker::Acknowledge { attempt: ATTEMPT, number: 1 });
            assert!(departures.is_going());
            departures.heed(&message);
            assert_eq!(departures.next(), None);
        }
        fs::remove_file(checkpoints.newest(TRIAL)).unwrap();
        fs::create_dir(checkpoints.newest(TRIAL)).unwrap();
        departures.hear(&fetch(None));
        assert_eq!(departures.next(), kept(false), "a folder cannot be read");
    }
}
