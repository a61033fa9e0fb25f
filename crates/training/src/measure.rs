//! What computing takes on this machine: a few batches through every segment of a network, and a few megabytes to the
//! disk and back.

use crate::backbone::{Backbone, Network, Source, kind, prepare};
use crate::derive::{Purpose, seed_libtorch};
use crate::error::TrainingError;
use crate::flat::{FlatParameters, Gradients};
use crate::head::Head;
use crate::memory;
use crate::no_grad::no_grad;
use crate::optimizer::Optimizer;
use crate::shim;
use frostline_sweep::backbone;
use frostline_sweep::costs::{Costs, SegmentCosts};
use frostline_sweep::trial::{Optimizer as Rule, Parameters, Precision};
use memmap2::Mmap;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use tch::{Cuda, Device, Kind, Tensor};

/// Seconds that the passes through the network should take together, about.
const BUDGET: f64 = 5.0;
/// Each measurement is the best of so many, after one that does not count.
const ROUNDS: usize = 3;
/// What all rounds of all passes come to, in forward passes: inference, and training at three times as much.
const PASSES: f64 = 4.0 * (ROUNDS as f64 + 1.0);

const PARAMETERS: i64 = 1 << 22;
/// Steps that are timed together, and images of each.
const STEPS: u64 = 20;
const STEP_IMAGES: i64 = 4;

const STORED: usize = 64 << 20;
/// Bytes of a row that is gathered.
const ROW: usize = 4096;

/// Times the network called `name` on square images of `size` pixels, its frozen part in `precision`, and the disk of
/// `folder`, which must exist.
///
/// # Errors
/// A network that is not in the table, and a folder that cannot be written.
pub fn measure(
    name: &str,
    size: u32,
    precision: Precision,
    folder: &Path,
    device: Device,
) -> Result<Costs, TrainingError> {
    let architecture = backbone::find(name).ok_or_else(|| TrainingError::UnknownBackbone(name.to_owned()))?;
    shim::set_tf32(precision == Precision::Tf32)?;
    let backbone = Backbone::load(architecture, Source::Random(0), device, kind(precision))?;
    let frozen = backbone.instance(architecture.layer_count());
    let trained = backbone.instance(0);
    let pixels = |count: i64| Tensor::randint(256, [count, 3, 32, 32], (Kind::Uint8, Device::Cpu));
    let prepared = |pixels: &Tensor, kind| prepare(backbone.conventions(), pixels, i64::from(size), device, kind);

    let few = prepared(&pixels(4), kind(precision));
    let one = best(device, || drop(frozen.forward(&few, 0, frozen.cuts(), false))) / 4.0;
    let count = (BUDGET / PASSES / one).clamp(4.0, 64.0) as i64;
    let pixels = pixels(count);
    let prepare = best(device, || drop(prepared(&pixels, kind(precision))));
    let infer = passes(&frozen, prepared(&pixels, kind(precision)), device, |x, segment| {
        frozen.forward(x, segment, segment + 1, false)
    });
    let train = passes(&trained, prepared(&pixels, Kind::Float), device, |x, segment| {
        let y = trained.forward(x, segment, segment + 1, true);
        y.sum(Kind::Float).backward();
        y
    });
    let images = count as f64;
    let segment = |(infer, train): (f64, f64)| SegmentCosts { infer: infer / images, train: train / images };
    let (write, read) = disk(folder).map_err(|source| TrainingError::File {
        action: "write into",
        path: folder.to_owned(),
        source,
    })?;
    Ok(Costs {
        measured: true,
        prepare: prepare / images,
        segments: infer.into_iter().zip(train).map(segment).collect(),
        update: update(device),
        step: step(device),
        write,
        read,
        memory: memory::peak(device),
    })
}

/// Seconds of each segment, every one on the output of the one before.
fn passes(network: &Network, input: Tensor, device: Device, run: impl Fn(&Tensor, u32) -> Tensor) -> Vec<f64> {
    let mut x = input;
    (0..network.cuts())
        .map(|segment| {
            // A gradient for the input is what training computes too, but for the first segment.
            let input = if segment > 0 { x.detach().set_requires_grad(true) } else { x.shallow_clone() };
            let mut output = None;
            let seconds = best(device, || output = Some(run(&input, segment)));
            x = output.map_or_else(|| input.detach(), |output| output.detach());
            seconds
        })
        .collect()
}

/// Seconds of the fastest round.
fn best(device: Device, mut run: impl FnMut()) -> f64 {
    let mut timed = || {
        let started = Instant::now();
        run();
        if let Device::Cuda(index) = device {
            Cuda::synchronize(index as i64);
        }
        started.elapsed().as_secs_f64()
    };
    timed();
    (0..ROUNDS).map(|_| timed()).fold(f64::INFINITY, f64::min)
}

/// Seconds of an Adam step for each parameter.
fn update(device: Device) -> f64 {
    let values = Tensor::zeros([PARAMETERS], (Kind::Float, device));
    let gradients = values.ones_like();
    let mut optimizer = Optimizer::new(&parameters(), &values);
    best(device, || optimizer.step(&values, Gradients::of(gradients.shallow_clone()), 1e-3)) / PARAMETERS as f64
}

/// As far as an optimizer asks for them: Adam.
fn parameters() -> Parameters {
    Parameters {
        frozen_layers: 0,
        head_units: Vec::new(),
        head_dropout: Vec::new(),
        optimizer: Rule::Adam,
        learning_rate: 1e-3,
        recipe: Default::default(),
        epochs: 1,
        batch_size: 1,
        precision: Precision::Float32,
    }
}

/// Seconds of a training step that has next to nothing to compute: a small head on features of a few images.
fn step(device: Device) -> f64 {
    let (width, classes) = (16, 10);
    let head = Head::new(width, &[16], &[0.5], classes);
    let flat = FlatParameters::new(&head.initial(0), device);
    let mut optimizer = Optimizer::new(&parameters(), flat.values());
    let features = Tensor::zeros([STEP_IMAGES, width], (Kind::Float, device));
    let labels = Tensor::zeros([STEP_IMAGES], (Kind::Int64, device));
    let mut sum = Tensor::zeros([1], (Kind::Double, device));
    let seconds = best(device, || {
        for step in 0..STEPS {
            seed_libtorch(0, Purpose::Dropout, 1, step);
            let batch = features.index_select(0, &labels);
            let scores = head.forward(flat.leaves(), &batch, true);
            let loss = scores.cross_entropy_for_logits(&labels);
            optimizer.step(flat.values(), flat.gradients(&loss), 1e-3);
            no_grad(|| {
                sum += loss.detach().to_kind(Kind::Double) * STEP_IMAGES as f64;
                sum += scores.argmax(1, false).eq_tensor(&labels).sum(Kind::Int64);
            });
        }
    });
    seconds / STEPS as f64
}

/// Bytes a second that are hashed, written and synced, and bytes a second that are gathered in random order from what is
/// mapped then.
fn disk(folder: &Path) -> std::io::Result<(f64, f64)> {
    let content: Vec<u8> = (0..STORED).map(|place| (place * 31) as u8).collect();
    let mut file = tempfile::tempfile_in(folder)?;
    let started = Instant::now();
    let digest = blake3::hash(&content);
    file.write_all(&content)?;
    file.sync_all()?;
    let write = STORED as f64 / started.elapsed().as_secs_f64();
    // SAFETY: the file has no name, so nobody else can change it.
    let map = unsafe { Mmap::map(&file)? };
    let rows = (STORED / ROW) as i64;
    // SAFETY: that many bytes are mapped, and the tensor is dropped before the map.
    let mapped =
        unsafe { Tensor::from_blob(map.as_ptr(), &[rows, ROW as i64], &[ROW as i64, 1], Kind::Uint8, Device::Cpu) };
    let order = Tensor::randperm(rows, (Kind::Int64, Device::Cpu));
    let seconds = best(Device::Cpu, || drop(mapped.index_select(0, &order)));
    std::hint::black_box(digest);
    Ok((write, STORED as f64 / seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alone;

    #[test]
    fn every_segment_takes_time_and_training_more_of_it() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        for precision in [Precision::Float32, Precision::Bfloat16] {
            let costs = measure("efficientnet_lite0", 32, precision, folder.path(), Device::Cpu).unwrap();
            assert_eq!(costs.segments.len(), backbone::find("efficientnet_lite0").unwrap().segments().len());
            let all = [costs.prepare, costs.update, costs.step, costs.write, costs.read];
            let segments = costs.segments.iter().flat_map(|segment| [segment.infer, segment.train]);
            assert!(segments.chain(all).all(|number| number.is_finite() && number > 0.0), "{costs:?}");
            assert!(costs.measured && costs.memory > 0);
            // Training goes forward as inference does, and backward on top of it. Of all segments together: one alone takes
            // microseconds, and the machine may be busy.
            let sum = |part: fn(&SegmentCosts) -> f64| costs.segments.iter().map(part).sum::<f64>();
            let (infer, train) = (sum(|segment| segment.infer), sum(|segment| segment.train));
            assert!(train > infer, "{precision:?}: training takes {train} s an image, inference {infer} s");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_network_that_is_not_there_is_named() {
        let error = measure("resnet50", 32, Precision::Float32, Path::new("."), Device::Cpu).unwrap_err();
        assert_eq!(error.to_string(), "unknown backbone `resnet50`");
    }
}
