//! `export`, `classify`, `features` and `measure`: one question as JSON on standard input, one answer on standard output.

use crate::connect::check_device;
use anyhow::{Context, ensure};
use frostline_protocol::tools::{Classified, Classify, Export, Measure, ModelFiles};
use frostline_training::device::of_libtorch;
use frostline_training::{self as training, Model};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use tch::{Device, Tensor};

pub(crate) fn export() -> anyhow::Result<()> {
    let wanted: Export = question()?;
    answer(&open(&wanted.model)?.export(&wanted.folder, wanted.layout)?)
}

pub(crate) fn classify() -> anyhow::Result<()> {
    let wanted: Classify = question()?;
    let side = i64::from(wanted.side);
    let bytes = 3 * side * side;
    let whole = wanted.pictures.iter().all(|picture| picture.len() as i64 == bytes);
    ensure!(whole && !wanted.pictures.is_empty(), "a picture is {bytes} bytes, and at least one is needed");
    let model = open(&wanted.model)?;
    let pixels = Tensor::from_slice(&wanted.pictures.concat()).view([-1, 3, side, side]);
    let probabilities = Vec::<Vec<f32>>::try_from(model.probabilities(&pixels))?;
    answer(&Classified { probabilities })
}

pub(crate) fn features() -> anyhow::Result<()> {
    answer(&training::extract(&question()?, Device::Cpu)?)
}

pub(crate) fn measure() -> anyhow::Result<()> {
    let Measure { backbone, size, precision, device, threads, folder } = question()?;
    check_device(device)?;
    tch::set_num_threads(threads as i32);
    answer(&training::measure(&backbone, size, precision, &folder, of_libtorch(device))?)
}

fn open(files: &ModelFiles) -> anyhow::Result<Model> {
    Ok(Model::open(&files.spec, files.weights.as_deref(), &files.model, Device::Cpu)?)
}

fn question<T: DeserializeOwned>() -> anyhow::Result<T> {
    serde_json::from_reader(std::io::stdin().lock()).context(
        "standard input holds no question that this worker knows: build frostline and frostline-worker together",
    )
}

fn answer(answer: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    writeln!(out)?;
    Ok(())
}
