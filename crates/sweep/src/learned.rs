//! What epochs and fills really took, by which estimates are corrected.

use crate::costs::{Costs, Kind, Work};
use serde::{Deserialize, Serialize};

/// What earlier runs count for when a new one is added, by amount: a machine changes, and was perhaps busy then.
const MEMORY: f64 = 0.5;

/// Of one setting (network, image size, precision, workers, threads) on one machine.
///
/// Kept are amounts and the seconds that they took, no factors: what they say holds whatever costs are measured later.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// One of each kind.
    seen: Vec<Taken>,
    /// The last run against its estimate.
    pub last: Option<Last>,
}

/// Work of one kind that was done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    pub work: Work,
    /// Of one worker.
    pub seconds: f64,
    /// Epochs, or fills.
    pub count: u64,
}

/// The part of a run that came to its end, in seconds of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Last {
    pub estimated: f64,
    pub taken: f64,
    /// Seconds since 1970.
    pub at: f64,
}

impl Learned {
    /// Takes in what a run has done, estimated by `figures`, at the moment `at`.
    pub fn learn(&mut self, done: &[Taken], figures: &Figures, at: f64) {
        let segments = figures.costs.segments.len();
        let is_sound =
            |taken: &&Taken| taken.seconds.is_finite() && taken.seconds > 0.0 && taken.work.is_sound(segments);
        let done: Vec<&Taken> = done.iter().filter(is_sound).collect();
        let estimated: f64 = done.iter().map(|taken| figures.seconds(&taken.work)).sum();
        if done.is_empty() || estimated <= 0.0 {
            return;
        }
        self.last = Some(Last { estimated, taken: done.iter().map(|taken| taken.seconds).sum(), at });
        let mut faded = Vec::new();
        for taken in done {
            let kind = taken.work.kind;
            let Some(known) = self.seen.iter_mut().find(|known| known.work.kind == kind) else {
                faded.push(kind);
                self.seen.push(*taken);
                continue;
            };
            let share = if faded.contains(&kind) { 1.0 } else { MEMORY };
            faded.push(kind);
            known.work = known.work.scaled_with(share, &taken.work);
            known.seconds = share * known.seconds + taken.seconds;
            known.count += taken.count;
        }
    }

    /// How many epochs and fills it rests on.
    pub fn counts(&self) -> (u64, u64) {
        let count = |fills: bool| {
            self.seen.iter().filter(|taken| taken.work.kind.is_fill() == fills).map(|taken| taken.count).sum()
        };
        (count(false), count(true))
    }

    /// How many times as long as by `costs` such work takes: by what was seen of its kind, else with other batches, else
    /// by all that was seen. 1 where that is nothing.
    fn factor(&self, costs: &Costs, kind: Kind) -> f64 {
        let is_like = |seen: Kind| seen.is_fill() == kind.is_fill() && seen.cuts() == kind.cuts();
        self.ratio(costs, |seen| seen == kind)
            .or_else(|| self.ratio(costs, is_like))
            .or_else(|| self.ratio(costs, |_| true))
            .unwrap_or(1.0)
    }

    fn ratio(&self, costs: &Costs, counts: impl Fn(Kind) -> bool) -> Option<f64> {
        let seen = || self.seen.iter().filter(|taken| counts(taken.work.kind));
        let taken: f64 = seen().map(|taken| taken.seconds).sum();
        let estimated: f64 = seen().map(|taken| costs.seconds(&taken.work)).sum();
        (taken > 0.0 && estimated > 0.0).then(|| taken / estimated)
    }

    /// Whether it is about a network of so many segments: it comes from a file.
    pub fn is_sound(&self, segments: usize) -> bool {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        self.seen.iter().all(|taken| taken.work.is_sound(segments) && is_positive(taken.seconds))
            && self.last.is_none_or(|last| is_positive(last.estimated) && is_positive(last.taken))
    }
}

/// What estimates follow from: what computing takes here, and what it has really taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub costs: Costs,
    pub learned: Learned,
}

impl Figures {
    /// Seconds of one worker.
    pub fn seconds(&self, work: &Work) -> f64 {
        self.learned.factor(&self.costs, work.kind) * self.costs.seconds(work)
    }
}

impl From<Costs> for Figures {
    fn from(costs: Costs) -> Figures {
        Figures { costs, learned: Learned::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::SegmentCosts;

    /// Two segments; inference takes 1 and 2 seconds an image, training 3 and 6.
    fn costs() -> Costs {
        let segments = [(1.0, 3.0), (2.0, 6.0)].map(|(infer, train)| SegmentCosts { infer, train });
        Costs {
            measured: true,
            prepare: 0.0,
            segments: segments.into(),
            update: 0.0,
            step: 0.0,
            write: 1e9,
            read: 1e9,
            memory: 0,
        }
    }

    /// The same measured while three of four cores were taken.
    fn busy() -> Costs {
        let slow = |segment: &SegmentCosts| SegmentCosts { infer: 4.0 * segment.infer, train: 4.0 * segment.train };
        Costs { segments: costs().segments.iter().map(slow).collect(), ..costs() }
    }

    fn train(start: u32, cut: u32, batch_size: u32, images: f64) -> Work {
        let kind = Kind::Train { start, cut, batch_size };
        Work { kind, start_bytes: 0, images, evaluated: 0.0, updates: 0.0, written: 0.0 }
    }

    fn fill(images: f64) -> Work {
        Work { kind: Kind::Fill { start: 0, cut: 2 }, ..train(0, 2, 1, images) }
    }

    #[test]
    fn what_was_planned_on_a_busy_machine_is_right_after_the_first_epochs() {
        // 10 images through both segments: 90 seconds on a quiet machine, 360 by what was measured on the busy one.
        let mut figures = Figures::from(busy());
        assert_eq!(figures.seconds(&train(0, 0, 32, 10.0)), 360.0);
        // Four epochs of ten images took 99 seconds each.
        let done = Taken { work: train(0, 0, 32, 40.0), seconds: 396.0, count: 4 };
        let before = figures.clone();
        figures.learned.learn(&[done], &before, 7.0);
        assert!((figures.seconds(&train(0, 0, 32, 10.0)) - 99.0).abs() < 1e-9);
        assert_eq!(figures.learned.counts(), (4, 0));
        assert_eq!(figures.learned.last, Some(Last { estimated: 1440.0, taken: 396.0, at: 7.0 }));
        // Another batch size has the same factor, another cut and a fill what is known of all: 0.275.
        assert!((figures.seconds(&train(0, 0, 64, 10.0)) - 99.0).abs() < 1e-9);
        assert!((figures.seconds(&train(0, 1, 32, 1.0)) - 0.275 * 28.0).abs() < 1e-9);
        assert!((figures.seconds(&fill(1.0)) - 0.275 * 12.0).abs() < 1e-9);
        // What was learned holds for costs that are measured later, too.
        let quiet = Figures { costs: costs(), learned: figures.learned };
        assert!((quiet.seconds(&train(0, 0, 32, 10.0)) - 99.0).abs() < 1e-9);
    }

    #[test]
    fn each_kind_has_its_own_factor() {
        let mut figures = Figures::from(costs());
        let before = figures.clone();
        // By the costs: 9, 6 and 3 seconds an image.
        let done = [
            Taken { work: train(0, 0, 32, 10.0), seconds: 45.0, count: 1 },
            Taken { work: train(2, 2, 32, 10.0), seconds: 1.0, count: 5 },
            Taken { work: fill(10.0), seconds: 60.0, count: 1 },
        ];
        figures.learned.learn(&done, &before, 0.0);
        assert_eq!(figures.seconds(&train(0, 0, 32, 2.0)), 9.0);
        assert_eq!(figures.seconds(&fill(5.0)), 30.0);
        assert_eq!(figures.learned.counts(), (6, 1));
    }

    #[test]
    fn a_later_run_counts_for_more_than_an_earlier_one() {
        let mut figures = Figures::from(costs());
        for seconds in [90.0, 180.0, 180.0, 180.0] {
            let before = figures.clone();
            // In two parts, as two trials of one kind are.
            let half = Taken { work: train(0, 0, 32, 5.0), seconds: seconds / 2.0, count: 1 };
            figures.learned.learn(&[half, half], &before, 0.0);
        }
        // Weights 1/8, 1/4, 1/2 and 1 of ten images each: (11.25 + 45 + 90 + 180) s for 18.75 images.
        let expected = 326.25 / 18.75;
        assert!((figures.seconds(&train(0, 0, 32, 1.0)) - expected).abs() < 1e-9);
        assert_eq!(figures.learned.counts(), (8, 0));
    }

    #[test]
    fn what_is_no_time_or_of_another_network_teaches_nothing() {
        let mut learned = Learned::default();
        let figures = Figures::from(costs());
        for (work, seconds) in [
            (train(0, 0, 32, 1.0), f64::NAN),
            (train(0, 0, 32, 1.0), 0.0),
            (train(0, 3, 32, 1.0), 1.0),
            (train(2, 1, 32, 1.0), 1.0),
            (train(0, 0, 32, f64::INFINITY), 1.0),
        ] {
            learned.learn(&[Taken { work, seconds, count: 1 }], &figures, 0.0);
        }
        assert_eq!(learned, Learned::default());
        learned.learn(&[Taken { work: train(0, 2, 32, 1.0), seconds: 1.0, count: 1 }], &figures, 0.0);
        assert!(learned.is_sound(2) && !learned.is_sound(1));
    }

    #[test]
    fn work_that_costs_nothing_teaches_nothing() {
        let free = Costs {
            segments: costs().segments.iter().map(|_| SegmentCosts { infer: 0.0, train: 0.0 }).collect(),
            ..costs()
        };
        let mut learned = Learned::default();
        learned.learn(
            &[Taken { work: train(0, 0, 32, 1.0), seconds: 1.0, count: 1 }],
            &Figures::from(free.clone()),
            0.0,
        );
        assert_eq!(learned, Learned::default());
        // Learned by other costs: nothing can be held against none.
        learned.learn(&[Taken { work: train(0, 0, 32, 1.0), seconds: 1.0, count: 1 }], &Figures::from(costs()), 0.0);
        assert_eq!(Figures { costs: free, learned }.seconds(&train(0, 0, 32, 1.0)), 0.0);
    }

    #[test]
    fn another_batch_size_is_closer_than_another_cut_and_a_fill_is_no_training() {
        let mut figures = Figures::from(costs());
        let before = figures.clone();
        // Twice, three times and five times as long as the costs of 9, 6 and 3 seconds an image say.
        let done = [
            Taken { work: train(0, 2, 32, 10.0), seconds: 2.0 * costs().seconds(&train(0, 2, 32, 10.0)), count: 1 },
            Taken { work: train(0, 0, 32, 10.0), seconds: 270.0, count: 1 },
            Taken { work: fill(10.0), seconds: 5.0 * costs().seconds(&fill(10.0)), count: 1 },
        ];
        figures.learned.learn(&done, &before, 0.0);
        let times = |work: Work| figures.seconds(&work) / costs().seconds(&work);
        assert!((times(train(0, 0, 64, 1.0)) - 3.0).abs() < 1e-9);
        assert!((times(train(0, 2, 64, 1.0)) - 2.0).abs() < 1e-9);
        // By the cuts of the first and the kind of the last.
        assert!((times(fill(3.0)) - 5.0).abs() < 1e-9);
        let all = done.iter().map(|taken| taken.seconds).sum::<f64>()
            / done.iter().map(|taken| costs().seconds(&taken.work)).sum::<f64>();
        assert!((times(train(0, 1, 32, 1.0)) - all).abs() < 1e-9);
    }

    #[test]
    fn what_a_file_says_of_times_is_looked_at() {
        let (mut learned, figures) = (Learned::default(), Figures::from(costs()));
        learned.learn(&[Taken { work: train(0, 2, 32, 1.0), seconds: 1.0, count: 1 }], &figures, 0.0);
        let is_sound = |last: (f64, f64), seconds: f64| {
            let (estimated, taken) = last;
            let mut changed = learned.clone();
            changed.last = Some(Last { estimated, taken, at: 0.0 });
            changed.seen[0].seconds = seconds;
            changed.is_sound(2)
        };
        assert!(is_sound((1.0, 1.0), 1.0));
        for (last, seconds) in [
            ((0.0, 1.0), 1.0),
            ((1.0, 0.0), 1.0),
            ((f64::NAN, 1.0), 1.0),
            ((1.0, f64::INFINITY), 1.0),
            ((1.0, 1.0), 0.0),
            ((1.0, 1.0), -1.0),
            ((1.0, 1.0), f64::INFINITY),
        ] {
            assert!(!is_sound(last, seconds), "{last:?} {seconds}");
        }
    }
}
