//! The real trainer behind the link's seam: a warm session of `frostline_training`.

use frostline_link as link;
use frostline_protocol::{Filled, Places, Work};
use frostline_sweep::outcome::{EpochMetrics, FailureKind};
use frostline_training as training;
use frostline_training::{Ended, Fill, Session, TrainingError, is_out_of_memory};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tch::Device;

/// Keeps data, backbone and features between assignments, for as long as the places stay the same.
pub(crate) struct Libtorch {
    device: Device,
    session: Option<(Places, Session)>,
}

impl Libtorch {
    pub(crate) fn new(device: Device) -> Libtorch {
        Libtorch { device, session: None }
    }

    fn session(&mut self, places: &Places) -> &mut Session {
        self.session.take_if(|(known, _)| known != places);
        let (_, session) = self.session.get_or_insert_with(|| {
            let Places { data, weights, features, checkpoints, models } = places.clone();
            let places_there = training::Places { data, weights, features, checkpoints, models };
            (places.clone(), Session::new(self.device, places_there))
        });
        session
    }
}

impl link::Trainer for Libtorch {
    fn run(
        &mut self,
        places: &Places,
        work: &Work,
        observer: &mut dyn link::Observer,
    ) -> Result<link::Ending, link::Problem> {
        // Most of tch panics where libtorch throws.
        let ending = catch_unwind(AssertUnwindSafe(|| carry_out(self.session(places), work, &mut Passing(observer))));
        ending.unwrap_or_else(|panic| {
            self.session = None;
            let message = link::panic_message(&*panic);
            let kind = if is_out_of_memory(&message) { FailureKind::OutOfMemory } else { FailureKind::Internal };
            Err(link::Problem { kind, message })
        })
    }
}

fn carry_out(session: &mut Session, work: &Work, observer: &mut Passing) -> Result<link::Ending, link::Problem> {
    let ending = match work {
        Work::Train { spec, features, .. } => {
            session.train(spec, features.as_ref(), observer).map(|ended| match ended {
                Ended::Complete(evaluation) => link::Ending::Complete(evaluation),
                Ended::Stopped => link::Ending::Stopped,
            })
        }
        Work::Fill { spec, from } => session.fill(spec, from.as_ref(), observer).map(|fill| match fill {
            Fill::Done { bytes, seconds, computed } => link::Ending::Filled(Filled { bytes, seconds, computed }),
            Fill::Stopped => link::Ending::Stopped,
        }),
    };
    ending.map_err(problem)
}

fn problem(error: TrainingError) -> link::Problem {
    link::Problem { kind: error.kind(), message: with_causes(&error) }
}

/// An error in one sentence: itself and what caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

struct Passing<'a>(&'a mut dyn link::Observer);

impl training::Observer for Passing<'_> {
    fn epoch(&mut self, metrics: EpochMetrics) {
        self.0.epoch(metrics);
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.0.progress(done, total);
    }

    fn should_stop(&self) -> training::Stop {
        match self.0.should_stop() {
            link::Stop::No => training::Stop::No,
            link::Stop::AfterEpoch => training::Stop::AfterEpoch,
            link::Stop::Now => training::Stop::Now,
        }
    }
}
