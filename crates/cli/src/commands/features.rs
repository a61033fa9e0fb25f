//! `features`: the output of one layer for the images of a split, in a file for other programs.

use crate::args;
use crate::exit::{Exit, wrong_input};
use crate::machine;
use crate::sources::{download, network};
use frostline_assets::catalogue::{self, Content};
use frostline_assets::{layout, weights};
use frostline_protocol::tools::{Extract, Features};
use frostline_sweep::backbone::Architecture;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) fn run(arguments: &args::Features) -> anyhow::Result<Exit> {
    let architecture = network(&arguments.backbone)?;
    let question = Extract {
        backbone: architecture.name.to_owned(),
        weights: weights(&arguments.weights, architecture)?,
        data: data(&arguments.data)?,
        test: arguments.split == args::Split::Test,
        limit: arguments.limit.map(|limit| limit as usize),
        size: arguments.size,
        layer: arguments.layer.0,
        pool: arguments.pool,
        out: arguments.output.clone(),
    };
    let Features { layer, name, shape } = machine::question("features", &question)?;
    let shape = shape.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ");
    let out = arguments.output.display();
    writeln!(anstream::stdout().lock(), "{out}: layer {layer} ({name}), {shape}, float32")?;
    Ok(Exit::Done)
}

/// The folder that is named, or that of CIFAR-10 where no folder is called so; none for images that are drawn.
fn data(named: &Path) -> anyhow::Result<Option<PathBuf>> {
    if named == Path::new("shapes") {
        return Ok(None);
    }
    match named.to_str().filter(|_| !named.exists()).and_then(catalogue::find) {
        Some(entry) if entry.is_present() => Ok(Some(entry.path())),
        Some(entry) => download(entry).map(Some),
        None => Ok(Some(named.to_owned())),
    }
}

/// The file of a catalogue name, downloaded where it is not there yet, or the file itself; none for "random". What is
/// not of this network is refused before libtorch starts.
fn weights(named: &str, architecture: &'static Architecture) -> anyhow::Result<Option<PathBuf>> {
    if named == "random" {
        return Ok(None);
    }
    let file = match catalogue::find(named) {
        Some(entry) => match entry.content {
            Content::Weights { backbone: of, .. } if of == architecture.name => {
                if entry.is_present() {
                    entry.path()
                } else {
                    download(entry)?
                }
            }
            _ => {
                let backbone = architecture.name;
                return Err(wrong_input(format!(
                    "--weights {named} are not weights of {backbone}: change one of the two"
                )));
            }
        },
        None if weights::Named::new(Path::new(named)).is_there() => PathBuf::from(named),
        None => {
            return Err(wrong_input(format!(
                "--weights {named}: there is no such file, and the catalogue has no such name (`frostline fetch` lists \
                 it); \"random\" needs no file"
            )));
        }
    };
    let opened = weights::open(&file).map_err(|error| wrong_input(format!("--weights: {error}")))?;
    layout::check(architecture, &opened).map_err(|error| wrong_input(format!("--weights {named}: {error}")))?;
    Ok(Some(file))
}
