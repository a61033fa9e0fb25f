//! A running sweep for programs: each fact as a line of JSON on standard output. A key stays once it is there.

use frostline_coordinator::{Fact, News};
use frostline_sweep::metric::Metric;
use frostline_sweep::record::{Ending, Record, TaskKey};
use serde_json::{Value, json};
use std::io::Write;

/// What a watcher hears as lines; how things stand between the facts is for people.
pub(super) fn lines(news: &News, objective: &'static Metric) -> Vec<Value> {
    match news {
        News::Facts(facts) => facts.iter().map(|fact| event(fact, objective)).collect(),
        News::Removed(models) => {
            models.iter().map(|trial| json!({"event": "model_removed", "trial": trial})).collect()
        }
        News::Missed(batches) => vec![json!({"event": "missed", "batches": batches})],
        News::Status(_) => Vec::new(),
    }
}

/// Prints a line at once. A reader that has gone away does not end the sweep.
pub(crate) fn print(event: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}

fn event(fact: &Fact, objective: &'static Metric) -> Value {
    match &fact.record {
        Record::Started { attempt, task: TaskKey::Trial(trial), worker, start, .. } => {
            let estimate = start.and_then(|start| start.estimate);
            json!({
                "event": "started",
                "trial": trial,
                "attempt": attempt,
                "worker": worker,
                "cut": start.map(|start| start.cut),
                "estimated_seconds": estimate.map(|estimate| estimate.seconds),
                "estimated_seconds_without": estimate.map(|estimate| estimate.without),
            })
        }
        Record::Started { attempt, task: TaskKey::Fill(features), worker, .. } => {
            json!({"event": "fill_started", "features": features, "attempt": attempt, "worker": worker})
        }
        Record::Epoch { attempt, trial, metrics } => {
            json!({"event": "epoch", "trial": trial, "attempt": attempt, "metrics": metrics})
        }
        Record::Completed { attempt, trial, evaluation } => {
            let value = fact.last.as_ref().map(|last| objective.value(last, evaluation));
            json!({
                "event": "complete",
                "trial": trial,
                "attempt": attempt,
                "objective": value,
                "test_accuracy": evaluation.test_accuracy,
                "test_loss": evaluation.test_loss,
                "seconds": evaluation.seconds,
            })
        }
        Record::Filled { attempt, bytes, seconds, computed } => {
            json!({"event": "filled", "attempt": attempt, "bytes": bytes, "seconds": seconds, "computed": computed})
        }
        Record::Ended { attempt, ending, trial } => {
            let (how, failure) = match ending {
                Ending::Failed(failure) => ("failed", json!({"kind": failure.kind, "message": failure.message})),
                Ending::Interrupted => ("interrupted", Value::Null),
                Ending::Cancelled => ("cancelled", Value::Null),
            };
            let (trial, state) = trial.map_or((None, None), |(trial, state)| (Some(trial), Some(state)));
            json!({"event": how, "attempt": attempt, "trial": trial, "state": state, "failure": failure})
        }
        Record::Noted { sweep, text } => json!({"event": "noted", "sweep": sweep, "text": text}),
        Record::State { trial, state } => json!({"event": "state", "trial": trial, "state": state}),
    }
}
