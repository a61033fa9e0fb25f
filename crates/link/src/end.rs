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
}
