//! Models that come over a connection: kept under the name of their attempt, until that attempt counts.

use frostline_protocol::{FromWorker, TaskKey};
use frostline_results::models;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tokio::task::block_in_place;

/// What one connection brings.
pub(super) struct Arrivals<'a> {
    folder: Option<&'a Path>,
    coming: Option<Coming>,
}

struct Coming {
    /// Where it will lie, which says whose it is.
    whole: PathBuf,
    file: File,
    bytes: u64,
    hasher: blake3::Hasher,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(folder: Option<&'a Path>) -> Arrivals<'a> {
        Arrivals { folder, coming: None }
    }

    /// Writes down what a message carries, so that it is on the disk before anything is heard that comes behind it.
    pub(super) fn take(&mut self, message: &mut FromWorker) {
        let Some(folder) = self.folder else { return };
        let FromWorker::Piece { claim, at, of, digest, bytes } = message else { return };
        let TaskKey::Trial(trial) = claim.task else { return };
        let bytes = std::mem::take(bytes);
        let whole = models::arrived_as(folder, trial, claim.attempt);
        if let Err(error) = block_in_place(|| self.write(folder, &whole, (*at, *of), digest, &bytes)) {
            self.coming = None;
            // What is of no use must not fill the disk.
            let _ = fs::remove_file(models::arriving(&whole));
            tracing::warn!(attempt = claim.attempt.0, "the model of trial {trial} does not arrive: {error}");
        }
    }

    fn write(
        &mut self,
        folder: &Path,
        whole: &Path,
        (at, of): (u64, u64),
        digest: &str,
        bytes: &[u8],
    ) -> io::Result<()> {
        if at == 0 {
            fs::create_dir_all(folder)?;
            let file = File::create(models::arriving(whole))?;
            self.coming = Some(Coming { whole: whole.to_owned(), file, bytes: 0, hasher: blake3::Hasher::new() });
        }
        // After a piece that could not be written, what follows is of no use.
        let Some(mut coming) = self.coming.take() else { return Ok(()) };
        if (coming.whole.as_path(), coming.bytes) != (whole, at) {
            return Err(io::Error::other("its pieces are out of their order"));
        }
        coming.file.write_all(bytes)?;
        coming.hasher.update(bytes);
        coming.bytes += bytes.len() as u64;
        if coming.bytes < of {
            self.coming = Some(coming);
            return Ok(());
        }
        if coming.bytes > of || coming.hasher.finalize().to_hex().as_str() != digest {
            return Err(io::Error::other("its content is not what was sent"));
        }
        coming.file.sync_all()?;
        fs::rename(models::arriving(whole), whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_protocol::Claim;
    use frostline_sweep::outcome::AttemptId;
    use frostline_sweep::trial::TrialId;

    const TRIAL: TrialId = TrialId([7; 16]);
    const ATTEMPT: AttemptId = AttemptId(3);
    const MODEL: &[u8] = b"what it has learnt";

    fn piece(attempt: AttemptId, at: usize, until: usize) -> FromWorker {
        FromWorker::Piece {
            claim: Claim { task: TaskKey::Trial(TRIAL), attempt },
            at: at as u64,
            of: MODEL.len() as u64,
            digest: blake3::hash(MODEL).to_hex().to_string(),
            bytes: MODEL[at..until].to_vec(),
        }
    }

    /// What is whole once these have come over one connection.
    async fn arrive(pieces: Vec<FromWorker>) -> Option<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        let take = move |mut message: FromWorker, arrivals: &mut Arrivals| {
            arrivals.take(&mut message);
            let FromWorker::Piece { bytes, .. } = message else { panic!("it was a piece") };
            assert_eq!(bytes, [0; 0], "who decides is not burdened with it");
        };
        let whole = models::arrived_as(&models, TRIAL, ATTEMPT);
        let mut arrivals = Arrivals::new(Some(&models));
        pieces.into_iter().for_each(|piece| take(piece, &mut arrivals));
        assert!(!models::path(&models, TRIAL).exists(), "nothing counts that is not committed");
        fs::read(whole).ok()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_is_there_once_all_of_it_has_come() {
        assert_eq!(arrive(vec![piece(ATTEMPT, 0, 5)]).await, None);
        assert_eq!(arrive(vec![piece(ATTEMPT, 0, 5), piece(ATTEMPT, 5, 18)]).await.as_deref(), Some(MODEL));
        assert_eq!(arrive(vec![piece(ATTEMPT, 0, 18)]).await.as_deref(), Some(MODEL));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_begins_anew_is_whole_and_one_with_a_gap_is_not() {
        let [first, rest] = [piece(ATTEMPT, 0, 5), piece(ATTEMPT, 5, 18)];
        assert_eq!(arrive(vec![first.clone(), first.clone(), rest.clone()]).await.as_deref(), Some(MODEL));
        assert_eq!(arrive(vec![rest.clone()]).await, None);
        assert_eq!(arrive(vec![first.clone(), piece(ATTEMPT, 9, 18)]).await, None);
        assert_eq!(arrive(vec![first.clone(), piece(ATTEMPT, 6, 9), piece(ATTEMPT, 9, 18)]).await, None);
        assert_eq!(arrive(vec![first, piece(AttemptId(4), 5, 18)]).await, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_whose_content_has_changed_on_its_way_is_not_kept() {
        let mut changed = piece(ATTEMPT, 0, 18);
        let FromWorker::Piece { bytes, .. } = &mut changed else { panic!("it is a piece") };
        bytes[4] ^= 1;
        assert_eq!(arrive(vec![changed]).await, None);
    }
}
