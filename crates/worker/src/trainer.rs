//! The real trainer behind the link's seam: a warm session of `frostline_training`.

use frostline_link::{Problem, Trainer, panic_message};
use frostline_protocol::{Ended, Observer, Places, Work};
use frostline_sweep::backbone;
use frostline_sweep::outcome::FailureKind;
use frostline_training::{Session, TrainingError};
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
        let begin = || (places.clone(), Session::new(self.device, places.clone()));
        &mut self.session.get_or_insert_with(begin).1
    }
}

impl Trainer for Libtorch {
    fn run(&mut self, places: &Places, work: &Work, observer: &mut dyn Observer) -> Result<Ended, Problem> {
        // Most of tch panics where libtorch throws.
        let ended = catch_unwind(AssertUnwindSafe(|| carry_out(self.session(places), work, observer)));
        let mut ended = ended.unwrap_or_else(|panic| {
            self.session = None;
            let message = without_frames(&panic_message(&*panic)).to_owned();
            Err(Problem { kind: FailureKind::of_message(&message), message })
        });
        if let Err(problem) = &mut ended
            && problem.kind == FailureKind::OutOfMemory
        {
            problem.message = out_of_memory(work, &problem.message);
        }
        ended
    }
}

/// What libtorch says goes on with the frames of its stack, as lines or as a `{:?}` of lines. They help nobody.
fn without_frames(message: &str) -> &str {
    let end = ["\nframe #", "\\nframe #", "\nException raised", "\\nException raised"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min();
    message[..end.unwrap_or(message.len())].trim()
}

/// What to do about it, and the allocator's own words.
fn out_of_memory(work: &Work, message: &str) -> String {
    let allocator = ["DefaultCPUAllocator", "CUDA out of memory"].iter().find_map(|name| message.find(name));
    let said = &message[allocator.unwrap_or(0)..];
    let said = said.split(" Error code").next().unwrap_or(said).trim_end_matches('.');
    let fewer_workers = "run fewer workers (`workers.count`)";
    let Work::Train { spec, micro_batch, .. } = work else {
        return format!("memory ran out: {fewer_workers}, or use `cache.features = \"off\"` ({said})");
    };
    let frozen = spec.parameters.frozen_layers;
    let trains = backbone::find(&spec.model.backbone).is_some_and(|it| it.trains_normalization(frozen));
    match micro_batch {
        _ if trains => format!(
            "memory ran out: make `batch_size` or `image_size` smaller, {fewer_workers}, or freeze more layers (with \
             `frozen_layers = \"all\"` images can be taken a few at a time; batch normalizations that train need the \
             whole batch) ({said})"
        ),
        None => format!("memory ran out: make `image_size` smaller, or {fewer_workers} ({said})"),
        Some(1) => format!(
            "memory ran out with one image at a time, too: make `image_size` smaller, or {fewer_workers} ({said})"
        ),
        Some(images) => format!(
            "memory ran out with {images} images at a time: make `image_size` smaller, or {fewer_workers} ({said})"
        ),
    }
}

fn carry_out(session: &mut Session, work: &Work, observer: &mut dyn Observer) -> Result<Ended, Problem> {
    let ended = match work {
        Work::Train { spec, features, micro_batch, .. } => {
            session.limit_images(*micro_batch);
            session.train(spec, features.as_ref(), observer)
        }
        Work::Fill { spec, from, streams } => session.fill(spec, from.as_ref(), *streams, observer),
    };
    ended.map_err(problem)
}

fn problem(error: TrainingError) -> Problem {
    Problem { kind: error.kind(), message: without_frames(&with_causes(&error)).to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_before_its_frames() {
        let thrown = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried \
            to allocate 256901120 bytes. Error code 12 (Cannot allocate memory)\nframe #0: c10::ThrowEnforceNotMet";
        let panic = format!("the trainer panicked: called `Result::unwrap()` on an `Err` value: Torch({thrown:?})");
        for message in [thrown, &panic] {
            assert!(without_frames(message).ends_with("Error code 12 (Cannot allocate memory)"), "{message}");
        }
        assert_eq!(without_frames("no frames"), "no frames");
    }
}
