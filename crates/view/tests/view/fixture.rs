//! Results folders with a small sweep whose trials have come to what a test wants.

use frostline_store::{Provenance, Reader, Sweep, Writer};
use frostline_sweep::bits::Bits;
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::{Sources, Trial};
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation, Right};
use frostline_sweep::record::{Build, Record, Start, TaskKey};
use frostline_sweep::reuse::Estimate;
use tempfile::TempDir;

/// Three configurations with three seeds each.
pub(crate) const TEXT: &str = r#"
[sweep]
name = "demo"
seeds = [0, 1, 2]
[data]
dataset = "shapes"
[model]
backbone = "efficientnet_lite0"
weights = "random"
[grid]
learning_rate = [0.1, 0.2, 0.3]
[train]
frozen_layers = "all"
head_units = [8]
epochs = 1
"#;

/// What a trial has come to.
#[derive(Clone)]
pub(crate) enum Score {
    /// An accuracy on 100 images, of which nobody said which are right.
    Share(f64),
    Right(Bits),
}

/// How a trial has come to its score.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) score: Score,
    pub(crate) seconds: f64,
    /// Where it started, and what was estimated before.
    pub(crate) plan: Option<(u32, Estimate)>,
}

impl From<Score> for Life {
    fn from(score: Score) -> Life {
        Life { score, seconds: 4.0, plan: None }
    }
}

/// A results folder into which `text` was launched, and its trials in their order.
pub(crate) fn launched(text: &str) -> (TempDir, Writer, Vec<Trial>) {
    let folder = tempfile::tempdir().unwrap();
    let definition = Definition::parse("demo.toml", text, &[]).unwrap();
    let trials = definition.expand(&Sources::plain("data".to_owned()));
    let host = "here".to_owned();
    let sweep = Sweep {
        name: "demo".to_owned(),
        objective: "val_accuracy".to_owned(),
        definition: definition.text.clone(),
        file: "demo.toml".to_owned(),
        provenance: Provenance { program: "test".to_owned(), git_commit: None, libtorch: None, device: None, host },
        threads: Some(1),
    };
    let mut writer = Writer::open(folder.path()).unwrap();
    writer.put_sweep(&sweep, &trials, false).unwrap();
    (folder, writer, trials)
}

/// A results folder in which the trials of `text`, in their order, have come to these scores; those without one wait.
pub(crate) fn filled_with(text: &str, scores: &[Option<Score>]) -> (TempDir, Reader) {
    let (folder, mut writer, trials) = launched(text);
    let lives = (1..).zip(trials.iter().zip(scores));
    let life = |(attempt, (trial, score)): (u64, (&Trial, &Option<Score>))| {
        Some(lived(attempt, trial, score.clone()?.into()))
    };
    let records: Vec<Record> = lives.filter_map(life).flatten().collect();
    writer.apply("demo", &records).unwrap();
    drop(writer);
    let reader = Reader::open(folder.path()).unwrap();
    (folder, reader)
}

/// Three configurations with three seeds each, by their accuracies.
pub(crate) fn filled(accuracies: [Option<f64>; 9]) -> (TempDir, Reader) {
    filled_with(TEXT, &accuracies.map(|share| share.map(Score::Share)))
}

/// Three configurations with one seed each, by which of 1,000 images they get right.
pub(crate) fn one_seed(right: [&dyn Fn(usize) -> bool; 3]) -> (TempDir, Reader) {
    let text = TEXT.replace("[0, 1, 2]", "[0]");
    filled_with(&text, &right.map(|right| Some(Score::Right((0..1_000).map(right).collect()))))
}

pub(crate) fn started(attempt: u64, task: TaskKey) -> Record {
    let word = || "test".to_owned();
    let build =
        Build { version: word(), libtorch: word(), device: word(), threads: 1, host: word(), processor: None };
    Record::Started { attempt: AttemptId(attempt), task, worker: 1, build, micro_batch: None, start: None }
}

/// All that happened to a trial, by one attempt.
pub(crate) fn lived(attempt: u64, trial: &Trial, life: Life) -> Vec<Record> {
    let mut begun = started(attempt, TaskKey::Trial(trial.id));
    if let Record::Started { start, .. } = &mut begun {
        *start = life.plan.map(|(cut, estimate)| Start { cut, estimate: Some(estimate) });
    }
    let (attempt, trial) = (AttemptId(attempt), trial.id);
    let (val_accuracy, images, right) = match life.score {
        Score::Share(share) => (share, 100, None),
        Score::Right(bits) => {
            let test = [true, false].into_iter().collect();
            (bits.accuracy(), bits.images() as u64, Some(Right { validation: bits, test }))
        }
    };
    let metrics = EpochMetrics {
        epoch: 1,
        train_loss: 1.0,
        train_accuracy: 0.5,
        val_loss: 1.0 - val_accuracy,
        val_accuracy,
        learning_rate: 0.1,
        seconds: life.seconds,
        images_per_second: 1.0,
        peak_memory: 1,
        by_class: None,
    };
    let evaluation = Evaluation {
        test_loss: 1.0,
        test_accuracy: 0.5,
        class_accuracy: vec![0.5],
        confusion: vec![vec![1]],
        trained_parameters: 1,
        seconds: 1.0,
        validation_images: Some(images),
        by_class: None,
        right,
    };
    vec![begun, Record::Epoch { attempt, trial, metrics }, Record::Completed { attempt, trial, evaluation }]
}
