//! When each worker was at work on a sweep.

use crate::ViewError;
use frostline_store::{BusyRow, Reader};
use frostline_sweep::outcome::AttemptOutcome;
use std::collections::{BTreeMap, BTreeSet};

/// Attempts that are looked at.
const MOST: usize = 2_000;
/// Seconds in which nobody worked that are left out: the sweep stood still.
const PAUSE: f64 = 60.0;

/// Times are seconds of the sweep's own clock, which stands still while nobody works for long.
#[derive(Debug, Clone, PartialEq)]
pub struct Busy {
    pub seconds: f64,
    /// In the order of their hosts and numbers.
    pub workers: Vec<Worker>,
    /// Pauses that are left out.
    pub pauses: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    pub name: String,
    /// In the order of time.
    pub spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub start: f64,
    pub end: f64,
    pub work: Work,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Fill,
    Trial,
    /// An attempt that was interrupted: the next one goes on from its checkpoint.
    Interrupted,
    /// One that failed or was cancelled.
    Lost,
}

impl Busy {
    /// Share of the workers' time together that some work took, 0 to 1.
    pub fn share(&self, is_one: impl Fn(Work) -> bool) -> f64 {
        let spans = self.workers.iter().flat_map(|worker| &worker.spans).filter(|span| is_one(span.work));
        spans.map(|span| span.end - span.start).sum::<f64>() / (self.seconds * self.workers.len() as f64)
    }
}

/// None before anything has begun.
pub(super) fn busy(reader: &Reader, sweep: &str) -> Result<Option<Busy>, ViewError> {
    let mut rows = reader.busy(sweep, MOST)?;
    // What still runs ends where the newest thing was heard of.
    let newest = rows.iter().map(|row| row.ended_at.unwrap_or(row.started_at)).fold(f64::NEG_INFINITY, f64::max);
    rows.retain(|row| row.ended_at.unwrap_or(newest) > row.started_at);
    rows.sort_by(|one, other| one.started_at.total_cmp(&other.started_at));
    Ok(drawn(&rows, newest))
}

fn drawn(rows: &[BusyRow], newest: f64) -> Option<Busy> {
    let hosts: BTreeSet<&str> = rows.iter().map(|row| row.host.as_str()).collect();
    let mut workers: BTreeMap<(&str, u32), Vec<Span>> = BTreeMap::new();
    let (mut left_out, mut reached, mut pauses) = (rows.first()?.started_at, rows.first()?.started_at, 0);
    for row in rows {
        if row.started_at > reached + PAUSE {
            left_out += row.started_at - reached;
            pauses += 1;
        }
        let end = row.ended_at.unwrap_or(newest);
        reached = reached.max(end);
        let work = match (row.trial, row.outcome) {
            (_, AttemptOutcome::Failed | AttemptOutcome::Cancelled) => Work::Lost,
            (_, AttemptOutcome::Interrupted) => Work::Interrupted,
            (None, _) => Work::Fill,
            (Some(_), _) => Work::Trial,
        };
        let span = Span { start: row.started_at - left_out, end: end - left_out, work };
        workers.entry((&row.host, row.worker)).or_default().push(span);
    }
    let name = |(host, worker): (&str, u32)| match hosts.len() {
        1 => format!("worker {worker}"),
        _ => format!("{host}, worker {worker}"),
    };
    let workers = workers.into_iter().map(|(key, spans)| Worker { name: name(key), spans }).collect();
    Some(Busy { seconds: reached - left_out, workers, pauses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::trial::TrialId;

    fn row(worker: u32, from: f64, to: Option<f64>, is_trial: bool) -> BusyRow {
        BusyRow {
            worker,
            host: "a".to_owned(),
            trial: is_trial.then_some(TrialId([1; 16])),
            started_at: 1_000.0 + from,
            ended_at: to.map(|to| 1_000.0 + to),
            outcome: if to.is_some() { AttemptOutcome::Complete } else { AttemptOutcome::Running },
        }
    }

    #[test]
    fn a_sweeps_clock_stands_still_while_nobody_works_for_long() {
        let mut rows = vec![
            row(1, 0.0, Some(10.0), false),
            row(2, 5.0, Some(20.0), true),
            // A night.
            row(1, 30_000.0, Some(30_010.0), true),
            row(2, 30_002.0, None, true),
        ];
        rows[1].outcome = AttemptOutcome::Interrupted;
        let busy = drawn(&rows, 31_010.0).unwrap();
        assert_eq!((busy.pauses, busy.workers.len()), (1, 2));
        assert_eq!(
            busy.workers[0].spans,
            [Span { start: 0.0, end: 10.0, work: Work::Fill }, Span { start: 20.0, end: 30.0, work: Work::Trial }]
        );
        assert_eq!(
            busy.workers[1].spans,
            [
                Span { start: 5.0, end: 20.0, work: Work::Interrupted },
                Span { start: 22.0, end: 30.0, work: Work::Trial }
            ]
        );
        assert_eq!((busy.seconds, busy.workers[0].name.as_str()), (30.0, "worker 1"));
        assert_eq!(busy.share(|work| work == Work::Fill), 10.0 / 60.0);
        assert_eq!(drawn(&[], 0.0), None);
    }

    #[test]
    fn workers_of_several_machines_have_their_names() {
        let mut rows = [row(1, 0.0, Some(1.0), true), row(1, 0.5, Some(2.0), true)];
        rows[1].host = "b".to_owned();
        let names: Vec<String> = drawn(&rows, 0.0).unwrap().workers.into_iter().map(|worker| worker.name).collect();
        assert_eq!(names, ["a, worker 1", "b, worker 1"]);
    }
}
