//! One trial of the reference grid in this process, on drawn images, for `benches/peers/shares.py`, which adds up what
//! oneDNN says of it:
//!
//! ```text
//! ONEDNN_VERBOSE=1 cargo run --release -p frostline-training --example reference -- 272
//! ```
//!
//! The argument is how many layers are frozen. Lines that begin with `{` are the example's own: the machine's rates,
//! then the trial's seconds.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use frostline_protocol::{Ended, Places};
use frostline_sweep::backbone;
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::Sources;
use frostline_sweep::features::FeatureSpec;
use frostline_training::Session;
use std::error::Error;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

fn main() -> Result<(), Box<dyn Error>> {
    let frozen: u32 = std::env::args().nth(1).ok_or("how many layers are frozen?")?.parse()?;
    tch::set_num_threads(1);
    rates();
    let text = format!(
        "[sweep]\nname = \"reference\"\n\
         [data]\ndataset = \"shapes\"\nimage_size = 64\ntrain_limit = 1250\nvalidation = 0.2\ntest_limit = 10\n\
         [model]\nbackbone = \"efficientnet_v2_s\"\nweights = \"random\"\n\
         [train]\nfrozen_layers = {frozen}\nepochs = 3\nbatch_size = 50\nhead_units = [256, 128]\nhead_dropout = [0.5, 0.4]\n"
    );
    let definition = Definition::parse("reference.toml", &text, &[])?;
    let sources = Sources::plain(frostline_assets::data::shapes::digest());
    let spec = definition.expand(&sources).remove(0).spec;
    let cut = backbone::find("efficientnet_v2_s").ok_or("it is in the table")?.cut_at(frozen);
    let features = FeatureSpec::of(&spec, cut);
    let folder = tempfile::tempdir()?;
    let places = Places {
        data: None,
        weights: Default::default(),
        features: folder.path().join("features"),
        checkpoints: folder.path().join("checkpoints"),
        models: None,
    };
    let mut session = Session::new(Device::Cpu, places);
    session.fill(&features, None, 1, &mut ())?;
    println!("{{\"training\": true}}");
    let started = Instant::now();
    let ended = session.train(&spec, Some(&features), &mut ())?;
    if let Ended::Complete(evaluation) = ended {
        let seconds = started.elapsed().as_secs_f64();
        println!("{{\"seconds\": {seconds}, \"trained_parameters\": {}}}", evaluation.trained_parameters);
    }
    Ok(())
}

/// Multiplications and additions a second of a large matrix product, and bytes a second of a copy, on one thread.
fn rates() {
    let options = (Kind::Float, Device::Cpu);
    let side = 2048i64;
    let x = Tensor::randn([side, side], options);
    let product = best(|| drop(x.mm(&x)));
    // As oneDNN has it: a convolution with a single pixel's kernel.
    let images = Tensor::randn([32, 1024, 16, 16], options).permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
    let kernel = Tensor::randn([1024, 1024, 1, 1], options);
    let convolution = best(|| drop(images.conv2d(&kernel, None::<&Tensor>, 1, 0, 1, 1)));
    let large = Tensor::zeros([1 << 26], options);
    let mut target = large.zeros_like();
    let copy = best(|| target.copy_(&large));
    let flops = 2.0 * (side as f64).powi(3) / product;
    let convolved = 2.0 * 32.0 * 256.0 * 1024.0 * 1024.0 / convolution;
    let bytes = 2.0 * 4.0 * f64::from(1 << 26) / copy;
    println!("{{\"product\": {flops}, \"convolution\": {convolved}, \"copy\": {bytes}}}");
}

fn best(mut run: impl FnMut()) -> f64 {
    let timed = |_| {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64()
    };
    (0..5).map(timed).fold(f64::INFINITY, f64::min)
}
