//! What the connection does for checkpoints that no other machine sees: it sends the newest now and then, and fetches the one
//! that a trial is to begin with.

use crate::desk::Part;
use crate::end;
use crate::shared::Shared;
use frostline_protocol::{Freight, Piece, ToWorker};
use frostline_results::{Arriving, Parcel, checkpoint};
use frostline_sweep::outcome::AttemptId;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

/// A checkpoint that took so long to send is followed by the next after this many times as long: a tenth of the line's time.
const RESTS: u32 = 9;
/// A trial begins with what is here where nothing of its checkpoint has come for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// And where it has not come whole after so long: a line that is as slow as that has other things to carry.
const LONGEST: Duration = Duration::from_secs(600);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What tells a file from the one that had its name before: its number, its bytes, and when it was written.
type Mark = (u64, u64, i64, i64);

#[derive(Default)]
pub(crate) struct Errands {
    /// Files are read on another thread, one at a time: signs of life do not wait for that.
    looking: Option<JoinHandle<Look>>,
    next_look: Option<Instant>,
    /// The newest checkpoint that this connection has seen.
    seen: Option<(AttemptId, Mark)>,
    /// Since when a checkpoint is on its way, and until when none goes.
    begun: Option<Instant>,
    rests_until: Option<Instant>,
    /// Until when a last report waits for the checkpoint that goes ahead of it.
    waits_until: Option<(AttemptId, Instant)>,
    /// What comes from the coordinator.
    coming: Option<Coming>,
}

struct Coming {
    attempt: AttemptId,
    newest: PathBuf,
    arriving: Option<Arriving>,
}

/// What was found where a checkpoint may lie.
pub(crate) enum Look {
    /// For the question to the coordinator.
    Here { attempt: AttemptId, path: PathBuf, found: io::Result<Option<Parcel>> },
    /// For the coordinator.
    Newest { attempt: AttemptId, path: PathBuf, mark: Mark, found: io::Result<Option<Parcel>> },
}

impl Errands {
    /// On another connection everything begins anew but for the rest that the line is given.
    pub(crate) fn connected(&mut self) {
        if let Some(begun) = self.begun {
            self.rest(begun);
        }
        let Errands { rests_until, waits_until, .. } = *self;
        *self = Errands { rests_until, waits_until, ..Errands::default() };
    }

    fn rest(&mut self, begun: Instant) {
        let now = Instant::now();
        self.rests_until = Some(now + RESTS * (now - begun));
    }

    /// Begins what is to be done; whether there is anything to send is looked at this often.
    pub(crate) fn begin(&mut self, desk: &Shared, pause: Duration) {
        if self.looking.is_some() {
            return;
        }
        if let Some((attempt, path)) = desk.with(|desk| desk.looks()) {
            self.coming = Some(Coming { attempt, newest: path.clone(), arriving: None });
            self.looking = Some(spawn_blocking(move || {
                let found = Parcel::find(&path);
                Look::Here { attempt, path, found }
            }));
            return;
        }
        let now = Instant::now();
        if self.next_look.is_some_and(|next| now < next) || self.rests_until.is_some_and(|until| now < until) {
            return;
        }
        self.next_look = Some(now + pause);
        let newest = desk.with(|desk| desk.newest().filter(|_| !desk.is_laden()));
        if let Some((attempt, path)) = newest
            && let Ok(mark) = fs::metadata(&path).map(mark)
            && self.seen != Some((attempt, mark))
        {
            self.looking = Some(spawn_blocking(move || {
                let found = Parcel::find(&path);
                Look::Newest { attempt, path, mark, found }
            }));
        }
    }

    /// Waits until what was begun is done.
    pub(crate) async fn done(&mut self) -> Look {
        let Some(looking) = &mut self.looking else { return std::future::pending().await };
        let look = looking.await;
        self.looking = None;
        // A thread that panics has said so; what it was to find is not found.
        look.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Tells the desk what was found.
    pub(crate) fn found(&mut self, look: Look, desk: &Shared) {
        match look {
            Look::Here { attempt, path, found } => {
                let digest = readable(&path, found).map(|parcel| parcel.digest);
                desk.with(|desk| desk.has(attempt, digest));
            }
            Look::Newest { attempt, path, mark, found } => {
                self.seen = Some((attempt, mark));
                if let Some(parcel) = readable(&path, found) {
                    desk.with(|desk| desk.attach(attempt, Freight::Checkpoint, parcel));
                }
            }
        }
    }

    /// A part of a file is going to be sent.
    pub(crate) fn sends(&mut self, part: &Part) {
        if part.freight == Freight::Checkpoint && part.at == 0 {
            self.begun = Some(Instant::now());
        }
    }

    /// It has been sent.
    pub(crate) fn sent(&mut self, part: &Part) {
        if part.freight == Freight::Checkpoint
            && part.is_last()
            && let Some(begun) = self.begun.take()
        {
            self.rest(begun);
        }
    }

    /// The last word does not wait for ever for the checkpoint that goes ahead of it.
    pub(crate) fn hurry(&mut self, desk: &Shared, ends: Option<std::time::Instant>) {
        let (attempt, is_leaving, is_laden) =
            desk.with(|desk| (desk.holds_back(), desk.is_leaving(), desk.is_laden()));
        self.begun.take_if(|_| !is_laden);
        let Some(attempt) = attempt else { return };
        let now = Instant::now();
        let until = match self.waits_until {
            Some((waits, until)) if waits == attempt => until,
            _ => now + end::patience(now.into_std(), ends, is_leaving),
        };
        self.waits_until = Some((attempt, until));
        if until <= now {
            tracing::warn!(%attempt, "its last checkpoint stays behind: there is no time to send it");
            desk.with(|desk| desk.let_go(attempt));
        }
    }

    /// What the coordinator says is heard; what it carries is written.
    pub(crate) fn hear(&mut self, message: ToWorker, desk: &Shared) {
        match &message {
            ToWorker::Piece { attempt, piece } => self.receive(*attempt, piece, desk),
            ToWorker::Kept { attempt, .. } => drop(self.coming.take_if(|coming| coming.attempt == *attempt)),
            _ => {}
        }
        desk.with(|desk| desk.on_message(message));
    }

    fn receive(&mut self, attempt: AttemptId, piece: &Piece, desk: &Shared) {
        let is_awaited = desk.with(|desk| desk.awaits()).is_some_and(|(awaits, _)| awaits == attempt);
        let Some(mut coming) = self.coming.take_if(|coming| coming.attempt == attempt) else { return };
        // A trainer that has begun writes there itself.
        if !is_awaited {
            return;
        }
        match coming.add(piece) {
            Ok(false) => self.coming = Some(coming),
            Ok(true) => {
                tracing::info!(%attempt, "goes on from the coordinator's checkpoint ({} bytes)", piece.of);
                desk.with(|desk| desk.fetched(attempt, piece.digest.clone()));
            }
            Err(error) => {
                let newest = coming.newest.display();
                tracing::warn!(%attempt, "the coordinator's checkpoint does not come to {newest}: {error}");
                desk.with(|desk| desk.begin_without(attempt));
            }
        }
    }
}

impl Coming {
    /// Whether all of it is in its place now.
    fn add(&mut self, piece: &Piece) -> io::Result<bool> {
        if piece.at == 0 {
            self.arriving = None;
            let aside = checkpoint::arriving(&self.newest, self.attempt.0);
            self.arriving = Some(Arriving::begin(aside)?);
        }
        let arriving = self.arriving.as_mut().ok_or_else(|| io::Error::other("its beginning has not come"))?;
        if !arriving.add(piece.at, piece.of, &piece.digest, &piece.bytes)? {
            return Ok(false);
        }
        // Not synced: what a power cut spoils is told by its seal, and comes once more.
        self.arriving.take().map_or(Ok(()), |arriving| arriving.keep_as(&self.newest)).map(|()| true)
    }
}

/// Has a trial begin with what is here where its checkpoint does not come, whatever is the matter.
pub(crate) async fn lose_patience(desk: &Shared) {
    let begin = Instant::now();
    // What is awaited and how much of it has come, and since when both are so.
    let (mut last, mut asked, mut stepped) = (None, begin, begin);
    loop {
        sleep(LOOK).await;
        let awaits = desk.with(|desk| desk.awaits());
        let now = Instant::now();
        if awaits != last {
            stepped = now;
            if awaits.map(|(attempt, _)| attempt) != last.map(|(attempt, _)| attempt) {
                asked = now;
            }
            last = awaits;
        }
        let Some((attempt, steps)) = awaits else { continue };
        if now - stepped >= PATIENCE || now - asked >= LONGEST {
            let after = (now - asked).as_secs();
            tracing::warn!(%attempt, "begins with what is here: after {after} s its checkpoint has not come ({steps} pieces)");
            desk.with(|desk| desk.begin_without(attempt));
        }
    }
}

fn mark(metadata: Metadata) -> Mark {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// A checkpoint that goes to the coordinator, if there is one that can be read.
pub(crate) fn readable(path: &Path, found: io::Result<Option<Parcel>>) -> Option<Parcel> {
    let said = |error: &_| tracing::warn!("the checkpoint {} stays behind: {error}", path.display());
    found.inspect_err(said).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::tests::{SEVENTH, TRIAL, apart_in, parcel};
    use frostline_protocol::{Claim, Report, TaskKey};

    const SECOND: Duration = Duration::from_secs(1);

    /// A desk apart whose trainer works on attempt 7, and where its checkpoints lie.
    fn at_work(folder: &Path) -> (Shared, PathBuf) {
        let desk = Shared::default();
        let newest = folder.join(checkpoint::name(TRIAL));
        desk.with(|desk| {
            *desk = apart_in(folder);
            desk.looks().unwrap();
            desk.has(SEVENTH, None);
            desk.unsent();
            desk.on_message(ToWorker::Kept { attempt: SEVENTH, same: false });
            desk.take().unwrap();
        });
        (desk, newest)
    }

    /// Writes a checkpoint aside and gives it its name, as training does.
    fn keep(newest: &Path, content: &str) {
        fs::write(checkpoint::writing(newest), content).unwrap();
        fs::rename(checkpoint::writing(newest), newest).unwrap();
    }

    /// What is sent of the newest checkpoint now, if anything.
    async fn sends(errands: &mut Errands, desk: &Shared) -> Vec<Part> {
        errands.begin(desk, SECOND);
        if errands.looking.is_some() {
            let look = errands.done().await;
            errands.found(look, desk);
        }
        let parts: Vec<Part> = std::iter::from_fn(|| desk.with(|desk| desk.part())).collect();
        parts.iter().for_each(|part| errands.sends(part));
        parts.iter().for_each(|part| errands.sent(part));
        parts
    }

    #[tokio::test(start_paused = true)]
    async fn a_checkpoint_is_sent_once_and_its_file_is_looked_at_now_and_then() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, newest) = at_work(folder.path());
        let mut errands = Errands::default();
        assert_eq!(sends(&mut errands, &desk).await.len(), 0, "there is none");
        keep(&newest, "one");
        assert_eq!(sends(&mut errands, &desk).await.len(), 0, "it is not time to look");
        sleep(SECOND).await;
        let parts = sends(&mut errands, &desk).await;
        assert_eq!(parts.iter().map(|part| part.parcel.bytes).collect::<Vec<_>>(), [3]);
        sleep(SECOND).await;
        assert_eq!(sends(&mut errands, &desk).await.len(), 0, "nothing is new");
        keep(&newest, "three");
        sleep(SECOND).await;
        assert_eq!(sends(&mut errands, &desk).await.len(), 1);
        errands.connected();
        desk.with(|desk| desk.connected(desk.places().unwrap(), true));
        assert_eq!(sends(&mut errands, &desk).await.len(), 1, "nobody knows what the last connection has brought");
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_rests_nine_times_as_long_as_a_checkpoint_has_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, newest) = at_work(folder.path());
        let mut errands = Errands::default();
        let part = |at| Part {
            claim: Claim { task: TaskKey::Trial(TRIAL), attempt: SEVENTH },
            freight: Freight::Checkpoint,
            parcel: parcel("d"),
            at,
        };
        let (first, last) = (part(0), part(2 * frostline_results::PIECE));
        errands.sends(&first);
        sleep(2 * SECOND).await;
        errands.sent(&last);
        keep(&newest, "one");
        sleep(18 * SECOND - Duration::from_millis(10)).await;
        assert_eq!(sends(&mut errands, &desk).await.len(), 0);
        sleep(Duration::from_millis(20)).await;
        assert_eq!(sends(&mut errands, &desk).await.len(), 1);
        // What is lost with its connection has taken the line's time as well.
        desk.with(|desk| desk.attach(SEVENTH, Freight::Checkpoint, parcel("d")));
        errands.sends(&first);
        sleep(3 * SECOND).await;
        errands.connected();
        desk.with(|desk| desk.connected(desk.places().unwrap(), true));
        sleep(26 * SECOND).await;
        assert_eq!(sends(&mut errands, &desk).await.len(), 0);
        sleep(2 * SECOND).await;
        assert_eq!(sends(&mut errands, &desk).await.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_last_word_does_not_wait_for_ever_and_not_longer_for_a_lost_connection() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, _) = at_work(folder.path());
        let mut errands = Errands::default();
        let holds_back = |desk: &Shared| desk.with(|desk| desk.holds_back().is_some());
        desk.with(|desk| desk.leave());
        desk.last_report(SEVENTH, Some((Freight::Checkpoint, parcel("d"))), Report::Stopped);
        errands.hurry(&desk, None);
        sleep(10 * SECOND).await;
        errands.connected();
        desk.with(|desk| desk.connected(desk.places().unwrap(), true));
        errands.hurry(&desk, None);
        assert!(holds_back(&desk));
        sleep(5 * SECOND).await;
        errands.hurry(&desk, None);
        assert!(!holds_back(&desk));
        let said = desk.with(|desk| desk.unsent());
        assert!(String::from_utf8_lossy(&said).contains("stopped"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_waits_for_its_checkpoint_as_long_as_something_comes_of_it_and_ten_minutes_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Shared::default();
        desk.with(|desk| *desk = apart_in(folder.path()));
        let awaits = |desk: &Shared| desk.with(|desk| desk.awaits().is_some());
        let meanwhile = async {
            sleep(50 * SECOND).await;
            let piece = Piece { at: 0, of: 9, digest: "d".to_owned(), bytes: Vec::new() };
            desk.with(|desk| desk.on_message(ToWorker::Piece { attempt: SEVENTH, piece }));
            sleep(55 * SECOND).await;
            assert!(awaits(&desk));
            sleep(10 * SECOND).await;
            assert!(!awaits(&desk) && desk.with(|desk| desk.take()).is_some());
            // One that comes for ever.
            desk.with(|desk| *desk = apart_in(folder.path()));
            let mut pieces = 0;
            while awaits(&desk) {
                sleep(50 * SECOND).await;
                let piece = Piece { at: 0, of: 9, digest: "d".to_owned(), bytes: Vec::new() };
                desk.with(|desk| desk.on_message(ToWorker::Piece { attempt: SEVENTH, piece }));
                pieces += 1;
            }
            assert!((12..=13).contains(&pieces), "{pieces}");
        };
        tokio::select! {
            () = lose_patience(&desk) => panic!("it goes on for ever"),
            () = meanwhile => {}
        }
    }
}
