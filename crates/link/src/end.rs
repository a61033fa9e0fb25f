//! When a process has to go by itself: its time is nearly over, or whoever lends the machine asks for it.

use std::io;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep_until;

/// Time to stop, to write a checkpoint and to be heard before the end comes; of a short life, a quarter.
const MARGIN: Duration = Duration::from_secs(60);

/// Waits until it is time to go.
///
/// # Errors
/// Signals cannot be waited for.
pub(crate) async fn wait(ends: Option<Instant>, signals: bool) -> io::Result<()> {
    let clock = async {
        match ends {
            Some(ends) => sleep_until(leaves(Instant::now(), ends).into()).await,
            None => std::future::pending().await,
        }
    };
    if !signals {
        clock.await;
        return Ok(());
    }
    // Slurm sends the second before a time limit where it was asked to, and the first when a job is cancelled.
    let (mut ends, mut warns) = (signal(SignalKind::terminate())?, signal(SignalKind::user_defined2())?);
    let why = tokio::select! {
        () = clock => "its time is nearly over",
        _ = ends.recv() => "SIGTERM",
        _ = warns.recv() => "SIGUSR2",
    };
    tracing::info!("leaving: {why}");
    Ok(())
}

fn leaves(now: Instant, ends: Instant) -> Instant {
    let left = ends.saturating_duration_since(now);
    now + (left - MARGIN.min(left / 4))
}

/// The last word of an attempt waits so long for its checkpoint where the coordinator wants this process to end: it waits for
/// eight seconds itself.
const FOR_THE_COORDINATOR: Duration = Duration::from_secs(3);
/// And where somebody else ends it, who may lose his patience after half a minute.
const FOR_OTHERS: Duration = Duration::from_secs(15);

/// How long the last word may wait for a checkpoint that goes ahead of it: where the end is near and known, for half of what
/// is left.
pub(crate) fn patience(now: Instant, ends: Option<Instant>, is_leaving: bool) -> Duration {
    let left = ends.map(|ends| ends.saturating_duration_since(now)).filter(|left| *left <= MARGIN);
    match left {
        Some(left) => left / 2,
        None if is_leaving => FOR_OTHERS,
        None => FOR_THE_COORDINATOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_leaves_a_minute_before_its_end_or_after_three_quarters_of_a_short_life() {
        let now = Instant::now();
        let leaves_after = |seconds: u64| leaves(now, now + Duration::from_secs(seconds)).duration_since(now);
        assert_eq!(leaves_after(3600), Duration::from_secs(3540));
        assert_eq!(leaves_after(240), Duration::from_secs(180));
        assert_eq!(leaves_after(40), Duration::from_secs(30));
        assert_eq!(leaves(now + Duration::from_secs(5), now), now + Duration::from_secs(5), "it is over already");
    }

    #[test]
    fn a_last_word_waits_for_half_of_what_is_left_or_a_few_seconds() {
        let now = Instant::now();
        let seconds = |ends: Option<u64>, is_leaving| {
            patience(now, ends.map(|ends| now + Duration::from_secs(ends)), is_leaving).as_secs_f64()
        };
        assert_eq!([seconds(Some(60), true), seconds(Some(8), true), seconds(Some(0), false)], [30.0, 4.0, 0.0]);
        assert_eq!([seconds(None, true), seconds(Some(3600), true)], [15.0; 2]);
        assert_eq!([seconds(None, false), seconds(Some(3600), false)], [3.0; 2]);
    }
}
