//! `join`: works for a coordinator of another machine.

use crate::connect::{StandIn, prepare, write_log};
use crate::slurm;
use anyhow::{Context, bail};
use frostline_link::{Options, Way, serve};
use frostline_protocol::{Incarnation, Places, Seat, Who, WorkerId};
use frostline_results::{Access, Folder, PASS, Pass, own_folder, quoted};
use frostline_sweep::backbone;
use frostline_sweep::device::Device;
use rustix::process::getuid;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a worker looks for a coordinator that it has never seen, where that is not merely away.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const EXAMPLES: &str = "\
Examples:
  frostline-worker join /shared/results/run/access.json
  frostline-worker join access.json --data /data/cifar-10-batches-bin --weights /data/weights.safetensors
  frostline-worker join access.json --minutes 55    # leaves in time, with a checkpoint";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `run/access.json` of the results folder: the file itself on a shared disk, or a copy that nobody else can read; `-`
    /// where standard input and output lead to the coordinator
    access: PathBuf,
    /// "cpu", "cuda" or "cuda:1"; what the sweep is computed on where it is not said
    #[arg(long)]
    device: Option<Device>,
    /// What the device is called in records; its number where nobody says more
    #[arg(long, hide = true)]
    device_name: Option<String>,
    /// Where the data set lies on this machine, where that is not where it lies on the coordinator's
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where the pretrained weights lie on this machine; once for each network where there are several
    #[arg(long, value_name = "[NETWORK=]FILE")]
    weights: Vec<Weights>,
    /// A folder on a fast disk of this machine, for features, and for checkpoints where no disk is shared
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// A folder for checkpoints that the machines of all workers see, where the results folder is not one
    #[arg(long)]
    checkpoints: Option<PathBuf>,
    /// Minutes until this process will be ended; under Slurm they are known
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: Option<u32>,
    /// The place that it was started for
    #[arg(long, hide = true, requires = "incarnation")]
    worker: Option<u32>,
    #[arg(long, hide = true)]
    incarnation: Option<u64>,
    #[command(flatten)]
    stand_in: StandIn,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let log = write_log();
    let (way, pass) = way(arguments.access)?;
    let conditions = &pass.conditions;
    let device = arguments.device.unwrap_or(if conditions.on_gpu { Device::Cuda(0) } else { Device::Cpu });
    if device.is_cuda() != conditions.on_gpu {
        let (theirs, ours) = if conditions.on_gpu { ("GPUs", "the CPU") } else { ("the CPU", "a GPU") };
        bail!("`{}` is computed on {theirs}, and results of {ours} cannot be ranked beside them", conditions.sweep);
    }
    let build = prepare(device, arguments.device_name, conditions.threads, conditions.deterministic)?;
    let scratch = scratch(arguments.scratch, &pass)?;
    let host = Some(format!("{}:{}", build.host, scratch.display()));
    let minutes = arguments.minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
    let ends = minutes.or_else(slurm::time_left).map(|left| Instant::now() + left);
    let started = arguments.worker.zip(arguments.incarnation);
    let who = match started {
        Some((worker, incarnation)) => {
            Who::Started(Seat { worker: WorkerId(worker), incarnation: Incarnation(incarnation) })
        }
        None => Who::Guest(number()?),
    };
    let Arguments { data, weights, checkpoints, stand_in, .. } = arguments;
    let outgoing = scratch.join(format!("outgoing-{}", std::process::id()));
    // Of a process that had this number before.
    let _ = fs::remove_dir_all(&outgoing);
    let folder = Folder::new(&scratch).checkpoints();
    let own = Own { pass, data, weights, checkpoints, scratch, outgoing: outgoing.clone() };
    let options = Options {
        way,
        who,
        build,
        host,
        places: Box::new(move |places| own.places(places)),
        outgoing: Some(outgoing.clone()),
        checkpoints: Some(folder),
        ends,
        leaves_on_signals: true,
        log,
        patience: PATIENCE,
        awaits: true,
    };
    let served = serve(options, &mut *stand_in.trainer(device, true));
    let _ = fs::remove_dir_all(outgoing);
    served?;
    tracing::info!("no more work");
    Ok(())
}

/// How the coordinator is reached, and what this worker is told before it speaks.
fn way(access: PathBuf) -> anyhow::Result<(Way, Pass)> {
    if access.as_os_str() == "-" {
        let told = std::env::var(PASS).with_context(|| format!("{PASS} is missing: `frostline join -` sets it"))?;
        let pass: Pass = serde_json::from_str(&told).with_context(|| format!("{PASS} holds something else"))?;
        return Ok((Way::Pipe { token: pass.token.clone() }, pass));
    }
    let read = Access::read(&access);
    let pass = read.with_context(|| format!("the access file {} cannot be used", access.display()))?.pass;
    Ok((Way::Access(access), pass))
}

/// One that no other guest has.
fn number() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Where things lie on this machine.
struct Own {
    pass: Pass,
    data: Option<PathBuf>,
    weights: Vec<Weights>,
    checkpoints: Option<PathBuf>,
    scratch: PathBuf,
    /// What is written there is sent to the coordinator.
    outgoing: PathBuf,
}

/// A weights file, and the network that it is of; none where there is one alone.
#[derive(Debug, Clone)]
struct Weights {
    network: Option<&'static str>,
    file: PathBuf,
}

impl From<OsString> for Weights {
    fn from(written: OsString) -> Weights {
        let named = written.to_str().and_then(|text| text.split_once('='));
        match named.and_then(|(network, file)| Some((backbone::find(network)?.name, file))) {
            Some((network, file)) => Weights { network: Some(network), file: file.into() },
            None => Weights { network: None, file: written.into() },
        }
    }
}

impl Own {
    /// The places of a worker here, by those of the coordinator's machine. Features are this machine's own; checkpoints and
    /// models are where the coordinator has them, as far as that folder is here, too. Else models are sent there.
    fn places(&self, theirs: Places) -> Result<Places, String> {
        let is_shared = theirs.checkpoints.parent().is_some_and(|results| self.pass.is_of(results));
        let scratch = Folder::new(&self.scratch);
        Ok(Places {
            data: theirs.data.map(|theirs| here("data", self.data.as_ref(), theirs)).transpose()?,
            weights: self.weights(theirs.weights)?,
            features: scratch.features(),
            checkpoints: match &self.checkpoints {
                _ if is_shared => theirs.checkpoints,
                Some(shared) => shared.clone(),
                None => scratch.checkpoints(),
            },
            models: theirs.models.map(|theirs| if is_shared { theirs } else { self.outgoing.clone() }),
        })
    }
}

impl Own {
    fn weights(&self, theirs: BTreeMap<String, PathBuf>) -> Result<BTreeMap<String, PathBuf>, String> {
        if theirs.len() > 1
            && let Some(own) = self.weights.iter().find(|own| own.network.is_none())
        {
            let networks = theirs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let file = own.file.display();
            return Err(format!(
                "the sweep has several networks ({networks}): say whose the weights {file} are, as in --weights NETWORK={file}"
            ));
        }
        let place = |(network, theirs): (String, PathBuf)| {
            let own = self.weights.iter().find(|own| own.network.is_none_or(|of| of == network));
            let file = here("weights", own.map(|own| &own.file), theirs)?;
            Ok((network, file))
        };
        theirs.into_iter().map(place).collect()
    }
}

/// What is named here, else what lies where it lies on the coordinator's machine.
fn here(what: &str, own: Option<&PathBuf>, theirs: PathBuf) -> Result<PathBuf, String> {
    let (path, remedy) = match own {
        Some(own) => (own.clone(), String::new()),
        None => {
            let remedy =
                format!(": mount the coordinator's disk, or copy it and name the copy with --{what} (`ssh.{what}`)");
            (theirs, remedy)
        }
    };
    // Of several networks in one file, the key follows.
    let file = path.to_str().and_then(|text| text.rsplit_once('#')).map_or(path.clone(), |(file, _)| file.into());
    if path.exists() || file.exists() {
        Ok(path)
    } else {
        Err(format!("the {what} {} is not on this machine{remedy}", path.display()))
    }
}

/// This results folder's own place on a disk of this machine, closed to others.
fn scratch(wanted: Option<PathBuf>, pass: &Pass) -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let parent = wanted.or_else(|| variable("SLURM_TMPDIR")).unwrap_or_else(std::env::temp_dir);
    let user = getuid().as_raw();
    let ours = parent.join(format!("frostline-{user}-workers"));
    let folder = ours.join(pass.name());
    for folder in [&ours, &folder] {
        private(folder, user)
            .with_context(|| format!("the folder {} cannot be used: name another with --scratch", quoted(folder)))?;
    }
    Ok(folder)
}

fn private(folder: &Path, user: u32) -> anyhow::Result<()> {
    if own_folder(folder, user)?.mode() & 0o077 != 0 {
        bail!("it is open to others");
    }
    Ok(())
}
