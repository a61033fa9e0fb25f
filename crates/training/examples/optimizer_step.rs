//! One Adam step on as many parameters as EfficientNetV2-S has, on the flat buffer; prints the median as JSON.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use frostline_sweep::definition::Definition;
use frostline_sweep::expand::Sources;
use frostline_training::Gradients;
use frostline_training::optimizer::Optimizer;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

const PARAMETERS: i64 = 20_177_488;

fn main() {
    let text = "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_v2_s\"\n\
        weights = \"random\"\n[train]\nfrozen_layers = 0\n";
    let definition = Definition::parse("x.toml", text, &[]).expect("a correct definition");
    let sources = Sources::plain(String::new());
    let parameters = definition.expand(&sources).remove(0).spec.parameters;
    let values = Tensor::randn([PARAMETERS], (Kind::Float, Device::Cpu));
    let gradients = values.randn_like();
    let mut optimizer = Optimizer::new(&parameters, &values);
    let mut times: Vec<f64> = (0..30)
        .map(|_| {
            let started = Instant::now();
            optimizer.step(&values, Gradients::of(gradients.shallow_clone()), 1e-3);
            started.elapsed().as_secs_f64()
        })
        .skip(5)
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{{\"parameters\": {PARAMETERS}, \"milliseconds\": {}}}", 1000.0 * times[times.len() / 2]);
}
