//! Files that come over a connection, from machines that do not see the results folder: models, kept under the name of their
//! attempt until that attempt counts, and checkpoints, the newest of a trial in the place of the one before.

use super::{House, PeerId};
use frostline_protocol::{Freight, FromWorker, Piece, TaskKey};
use frostline_results::{Arriving, models};
use frostline_sweep::outcome::AttemptId;
use frostline_sweep::trial::TrialId;
use std::io;
use tokio::task::block_in_place;

/// What one connection brings.
pub(super) struct Arrivals<'a> {
    house: &'a House,
    /// Makes the names of its files its own: two connections may bring the same, one of them lost without anybody's knowing.
    mark: u64,
    coming: Option<Coming>,
}

struct Coming {
    what: What,
    arriving: Arriving,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct What {
    freight: Freight,
    trial: TrialId,
    attempt: AttemptId,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(house: &'a House, peer: PeerId) -> Arrivals<'a> {
        Arrivals { house, mark: peer.0, coming: None }
    }

    /// Writes down what a message carries, so that it is on the disk before anything is heard that comes behind it.
    pub(super) fn take(&mut self, message: &mut FromWorker) {
        let FromWorker::Piece { claim, freight, piece } = message else { return };
        let bytes = std::mem::take(&mut piece.bytes);
        let TaskKey::Trial(trial) = claim.task else { return };
        let what = What { freight: *freight, trial, attempt: claim.attempt };
        if let Err(error) = block_in_place(|| self.write(what, piece, &bytes)) {
            // What is of no use does not fill the disk: it is gone with this.
            self.coming = None;
            let name = match freight {
                Freight::Model => "model",
                Freight::Checkpoint => "checkpoint",
            };
            tracing::warn!(attempt = claim.attempt.0, "the {name} of trial {trial} does not arrive: {error}");
        }
    }

    fn write(&mut self, what: What, piece: &Piece, bytes: &[u8]) -> io::Result<()> {
        if piece.at == 0 {
            // Its name goes with it, and may be the next one's.
            self.coming = None;
            self.coming = self.begin(what)?.map(|arriving| Coming { what, arriving });
        }
        // After a piece that could not be written, or of what nobody needs, what follows is of no use.
        let Some(mut coming) = self.coming.take() else { return Ok(()) };
        if coming.what != what {
            return Err(io::Error::other("its pieces are out of their order"));
        }
        if !coming.arriving.add(piece.at, piece.of, &piece.digest, bytes)? {
            self.coming = Some(coming);
            return Ok(());
        }
        coming.arriving.sync()?;
        let What { freight, trial, attempt } = what;
        match (freight, &self.house.models) {
            (Freight::Model, Some(folder)) => coming.arriving.keep_as(&models::arrived_as(folder, trial, attempt)),
            (Freight::Model, None) => Ok(()),
            (Freight::Checkpoint, _) => self.house.checkpoints.keep(trial, coming.arriving),
        }
    }

    fn begin(&self, What { freight, trial, attempt }: What) -> io::Result<Option<Arriving>> {
        let model =
            |folder| Arriving::begin(models::arriving(&models::arrived_as(folder, trial, attempt), self.mark));
        match freight {
            Freight::Model => self.house.models.as_deref().map(model).transpose(),
            Freight::Checkpoint => self.house.checkpoints.begin(trial, self.mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::Checkpoints;
    use frostline_protocol::Claim;
    use frostline_results::checkpoint;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use tokio::sync::mpsc::channel;

    const TRIAL: TrialId = TrialId([7; 16]);
    const ATTEMPT: AttemptId = AttemptId(3);
    const CONTENT: &[u8] = b"what it has learnt";
    const BOTH: [Freight; 2] = [Freight::Model, Freight::Checkpoint];

    fn piece(freight: Freight, attempt: AttemptId, at: usize, until: usize) -> FromWorker {
        let piece = Piece {
            at: at as u64,
            of: CONTENT.len() as u64,
            digest: blake3::hash(CONTENT).to_hex().to_string(),
            bytes: CONTENT[at..until].to_vec(),
        };
        FromWorker::Piece { claim: Claim { task: TaskKey::Trial(TRIAL), attempt }, freight, piece }
    }

    fn house(folder: &Path) -> House {
        let checkpoints = Checkpoints::new(folder.join("checkpoints"), BTreeSet::from([TRIAL]));
        House {
            models: Some(folder.join("models").into()),
            checkpoints: Arc::new(checkpoints),
            ..House::of_tests(channel(1).0)
        }
    }

    fn whole(folder: &Path, freight: Freight) -> std::path::PathBuf {
        match freight {
            Freight::Model => models::arrived_as(&folder.join("models"), TRIAL, ATTEMPT),
            Freight::Checkpoint => folder.join("checkpoints").join(checkpoint::name(TRIAL)),
        }
    }

    /// What is whole once these have come over one connection; nothing else is left.
    async fn arrive(pieces: Vec<FromWorker>) -> Option<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let FromWorker::Piece { freight, .. } = pieces[0] else { panic!("it is a piece") };
        let house = house(folder.path());
        let mut arrivals = Arrivals::new(&house, PeerId(5));
        for mut message in pieces {
            arrivals.take(&mut message);
            let FromWorker::Piece { piece, .. } = message else { panic!("it was a piece") };
            assert_eq!(piece.bytes, [0; 0], "who decides is not burdened with it");
        }
        drop(arrivals);
        assert!(!models::path(&folder.path().join("models"), TRIAL).exists(), "nothing counts that is not committed");
        let whole = whole(folder.path(), freight);
        let left = fs::read_dir(whole.parent().unwrap()).into_iter().flatten().count();
        assert_eq!(left, usize::from(whole.exists()));
        fs::read(whole).ok()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_is_there_once_all_of_it_has_come() {
        for freight in BOTH {
            let piece = |at, until| piece(freight, ATTEMPT, at, until);
            assert_eq!(arrive(vec![piece(0, 5)]).await, None);
            assert_eq!(arrive(vec![piece(0, 5), piece(5, 18)]).await.as_deref(), Some(CONTENT));
            assert_eq!(arrive(vec![piece(0, 18)]).await.as_deref(), Some(CONTENT));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_begins_anew_is_whole_and_one_with_a_gap_is_not() {
        for freight in BOTH {
            let piece = |at, until| piece(freight, ATTEMPT, at, until);
            let [first, rest] = [piece(0, 5), piece(5, 18)];
            assert_eq!(arrive(vec![first.clone(), first.clone(), rest.clone()]).await.as_deref(), Some(CONTENT));
            assert_eq!(arrive(vec![rest.clone()]).await, None);
            assert_eq!(arrive(vec![first.clone(), piece(9, 18)]).await, None);
            assert_eq!(arrive(vec![first.clone(), piece(6, 9), piece(9, 18)]).await, None);
            let [model, checkpoint] = BOTH.map(|freight| self::piece(freight, ATTEMPT, 5, 18));
            let other = if freight == Freight::Model { checkpoint } else { model };
            assert_eq!(arrive(vec![first.clone(), other]).await, None);
            assert_eq!(arrive(vec![first, self::piece(freight, AttemptId(4), 5, 18)]).await, None);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_whose_content_has_changed_on_its_way_is_not_kept() {
        for freight in BOTH {
            let mut changed = piece(freight, ATTEMPT, 0, 18);
            let FromWorker::Piece { piece, .. } = &mut changed else { panic!("it is a piece") };
            piece.bytes[4] ^= 1;
            assert_eq!(arrive(vec![changed]).await, None);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_folder_that_takes_no_file_harms_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path());
        for name in ["models", "checkpoints"] {
            fs::write(folder.path().join(name), "a file").unwrap();
        }
        let mut arrivals = Arrivals::new(&house, PeerId(5));
        for freight in BOTH {
            for (at, until) in [(0, 5), (5, 18), (0, 18)] {
                arrivals.take(&mut piece(freight, ATTEMPT, at, until));
            }
        }
        for name in ["models", "checkpoints"] {
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"a file");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_connections_do_not_write_into_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path());
        for freight in BOTH {
            let mut arrivals = [5, 6].map(|peer| Arrivals::new(&house, PeerId(peer)));
            for (at, until) in [(0, 5), (5, 18)] {
                for arrivals in &mut arrivals {
                    arrivals.take(&mut piece(freight, ATTEMPT, at, until));
                }
            }
            assert_eq!(fs::read(whole(folder.path(), freight)).unwrap(), CONTENT);
        }
        // A trial that has its outcome takes nothing more.
        let mut late = Arrivals::new(&house, PeerId(7));
        late.take(&mut piece(Freight::Checkpoint, ATTEMPT, 0, 5));
        house.checkpoints.ended(TRIAL);
        late.take(&mut piece(Freight::Checkpoint, ATTEMPT, 5, 18));
        assert_eq!(fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), 0);
    }
}
