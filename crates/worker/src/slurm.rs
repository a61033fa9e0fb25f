//! What Slurm says to a process of one of its jobs.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long this job may still run; none outside of a job, or where nothing limits it.
pub(crate) fn time_left() -> Option<Duration> {
    let job = std::env::var("SLURM_JOB_ID").ok()?;
    // Set by newer versions only.
    if let Some(ends) = std::env::var("SLURM_JOB_END_TIME").ok().and_then(|text| text.parse().ok()) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        return Some(Duration::from_secs(ends).saturating_sub(now));
    }
    // `%L` is the time left.
    let mut command = Command::new("squeue");
    let output = command.args(["--noheader", "--jobs", &job, "-o", "%L"]).stdin(Stdio::null()).output();
    match output {
        Ok(output) => left(String::from_utf8_lossy(&output.stdout).trim()),
        Err(error) => {
            tracing::warn!("Slurm does not say how much time is left: {error}");
            None
        }
    }
}

/// "D-HH:MM:SS", "HH:MM:SS", "MM:SS"; none for "UNLIMITED", "INVALID" or nothing.
fn left(text: &str) -> Option<Duration> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let mut seconds = 0;
    for part in clock.split(':') {
        seconds = seconds * 60 + part.parse::<u64>().ok()?;
    }
    Some(Duration::from_secs(days * 86_400 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_read_in_each_of_its_forms() {
        for (text, seconds) in [("1-02:03:04", 93_784), ("02:03:04", 7_384), ("3:04", 184), ("0:00", 0)] {
            assert_eq!(left(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["UNLIMITED", "NOT_SET", "INVALID", "", "1-", "x:1"] {
            assert_eq!(left(text), None, "{text}");
        }
    }

    /// Of jobs of one minute, without a limit, that wait and that are over.
    #[test]
    fn the_time_left_is_read_as_several_versions_say_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../coordinator/tests/slurm");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let recordings: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "txt")).collect();
        assert!(recordings.len() >= 4, "{recordings:?}");
        for recording in recordings {
            let text = std::fs::read_to_string(&recording).unwrap();
            let scenes = text.split("\n## time left of job ").skip(1);
            let said = |scene: &str| {
                let out = scene
                    .lines()
                    .take_while(|line| !line.starts_with("exit "))
                    .find_map(|it| it.strip_prefix("out "));
                left(out.unwrap_or_default())
            };
            let left: Vec<_> = scenes.map(said).collect();
            assert_eq!(left.len(), 4, "{}", recording.display());
            let minute = Duration::from_secs(50)..=Duration::from_secs(60);
            assert!(left[0].is_some_and(|left| minute.contains(&left)), "{}: {left:?}", recording.display());
            assert_eq!(left[1..], [None; 3], "{}", recording.display());
        }
    }
}
