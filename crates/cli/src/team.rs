//! Which workers a sweep has: how many, on which devices, with how many threads.

use crate::exit::wrong_input;
use crate::hosts;
use crate::machine::WorkerInfo;
use crate::output::count;
use frostline_store::Sweep;
use frostline_sweep::definition::{Definition, DeviceChoice, LauncherChoice, Launchers, Workers};
use frostline_sweep::device::Device;
use std::collections::BTreeSet;

/// The workers of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Team {
    /// One worker each.
    pub(crate) devices: Vec<Device>,
    pub(crate) threads: u32,
}

impl Team {
    pub(crate) fn is_cuda(&self) -> bool {
        self.devices.iter().any(|device| device.is_cuda())
    }

    /// "2 workers of 1 thread on cpu".
    pub(crate) fn describe(&self) -> String {
        let workers = count(self.devices.len() as u64, "worker");
        let threads = count(u64::from(self.threads), "thread");
        let device = if self.is_cuda() { "cuda" } else { "cpu" };
        format!("{workers} of {threads} on {device}")
    }
}

/// Workers of one GPU that are tried at most: small trials leave it idle half of the time.
const SHARES: [usize; 3] = [1, 2, 4];

/// The teams that a definition leaves open, [`team`]'s choice first. Which of them is the fastest, measuring tells.
///
/// # Errors
/// A device is asked for that is not there.
pub(crate) fn teams(definition: &Definition, info: &WorkerInfo, recorded: Recorded) -> anyhow::Result<Vec<Team>> {
    match definition.workers.launcher {
        LauncherChoice::Local => local_teams(&definition.workers, info, recorded),
        LauncherChoice::Ssh => Ok(vec![over_ssh(definition, info, recorded)?]),
        LauncherChoice::Slurm | LauncherChoice::Command => Ok(vec![lent(definition, recorded)?]),
    }
}

fn local_teams(workers: &Workers, info: &WorkerInfo, recorded: Recorded) -> anyhow::Result<Vec<Team>> {
    let first = local(workers, info, recorded)?;
    if workers.count.is_some() {
        return Ok(vec![first]);
    }
    if first.is_cuda() {
        let shared = |share: usize| {
            let devices = std::iter::repeat_n(&first.devices, share).flatten().copied().collect();
            Team { devices, threads: first.threads }
        };
        let most = if info.gpus.iter().all(|gpu| gpu.shared) { SHARES.len() } else { 1 };
        return Ok(SHARES[..most].iter().map(|&share| shared(share)).collect());
    }
    if recorded.threads.is_some() || workers.threads.is_some() {
        return Ok(vec![first]);
    }
    let cores = info.cores.max(1);
    let threads = std::iter::successors(Some(1), |threads| Some(2 * threads)).take_while(|threads| *threads <= cores);
    Ok(threads.map(|threads| Team { devices: vec![Device::Cpu; cores / threads], threads: threads as u32 }).collect())
}

/// What the finished trials of a sweep were run with. Results depend on it, so it stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) threads: Option<u32>,
    pub(crate) on_gpu: Option<bool>,
}

impl Recorded {
    pub(crate) fn of(sweep: &Sweep) -> Recorded {
        let device = sweep.provenance.device.as_ref();
        Recorded { threads: sweep.threads, on_gpu: device.map(|device| is_gpu(device)) }
    }

    /// With the devices of all complete trials that the sweep has or will have: some may be another sweep's, too.
    ///
    /// # Errors
    /// They are of both kinds.
    pub(crate) fn with(self, devices: &BTreeSet<String>) -> anyhow::Result<Recorded> {
        let kinds: BTreeSet<bool> = devices.iter().map(|device| is_gpu(device)).chain(self.on_gpu).collect();
        if kinds.len() > 1 {
            return Err(wrong_input(format!(
                "some finished trials of this sweep were run on the CPU and some on a GPU, by another sweep that has them, too: \
                 results of both cannot be ranked together. {ELSEWHERE}"
            )));
        }
        Ok(Recorded { on_gpu: kinds.first().copied(), ..self })
    }
}

fn is_gpu(device: &str) -> bool {
    device.starts_with("cuda")
}

/// What to do where results of another kind of device are in the way. A trial is its content: under another name, or in place
/// of the sweep, it would be the same one.
const ELSEWHERE: &str = "Go on where they were run, or name another results folder with `--results`";

/// Chooses devices and threads; what is `recorded` wins.
///
/// On CPU, one-thread workers, as many as there are cores: two of them train 1.3 times as fast as one of two threads.
///
/// # Errors
/// A device is asked for that is not there, or another kind of it than finished trials had.
pub(crate) fn team(definition: &Definition, info: &WorkerInfo, recorded: Recorded) -> anyhow::Result<Team> {
    match definition.workers.launcher {
        LauncherChoice::Local => local(&definition.workers, info, recorded),
        LauncherChoice::Ssh => over_ssh(definition, info, recorded),
        LauncherChoice::Slurm | LauncherChoice::Command => lent(definition, recorded),
    }
}

/// The workers that an engine is asked for. What this machine has says nothing of the nodes.
fn lent(definition: &Definition, recorded: Recorded) -> anyhow::Result<Team> {
    let Definition { workers, launchers: Launchers { slurm, command, .. }, .. } = definition;
    let (jobs, gpus, cpus) = match workers.launcher {
        LauncherChoice::Slurm => (slurm.max_jobs, slurm.gpus.is_some(), slurm.cpus),
        _ => (command.jobs, false, None),
    };
    let on_gpu = on_gpu(workers.device, recorded, gpus)?;
    let threads = recorded.threads.or(workers.threads).or(cpus).unwrap_or(1);
    let device = if on_gpu { Device::Cuda(0) } else { Device::Cpu };
    Ok(Team { devices: vec![device; jobs as usize], threads })
}

/// The workers of the machines that ssh reaches, on which this one has no say.
fn over_ssh(definition: &Definition, info: &WorkerInfo, recorded: Recorded) -> anyhow::Result<Team> {
    let Definition { workers, launchers: Launchers { ssh, .. }, .. } = definition;
    let hosts = info.hosts.as_ref().map_err(wrong_input)?;
    let on_gpu = on_gpu(workers.device, recorded, hosts.iter().any(|host| host.gpus > 0))?;
    let without: Vec<&str> = hosts.iter().filter(|host| host.gpus == 0).map(|host| host.name.as_str()).collect();
    if on_gpu && !without.is_empty() {
        return Err(wrong_input(format!(
            "there is no GPU on {}, and results of GPUs and CPUs cannot be ranked together: leave it out of ssh.hosts, or use \
             `--set workers.device=cpu`",
            without.join(", ")
        )));
    }
    let threads = recorded.threads.or(workers.threads).unwrap_or(1);
    let devices = hosts::places(ssh, hosts, on_gpu, threads).into_iter().map(|place| place.device).collect();
    Ok(Team { devices, threads })
}

/// Whether workers elsewhere compute on GPUs; `otherwise` where neither the definition nor finished trials say.
fn on_gpu(wanted: DeviceChoice, recorded: Recorded, otherwise: bool) -> anyhow::Result<bool> {
    match (wanted, recorded.on_gpu) {
        (DeviceChoice::Cpu, Some(true)) => Err(other_device("a GPU", "workers.device = \"cpu\"")),
        (DeviceChoice::Cuda, Some(false)) => Err(other_device("the CPU", "workers.device = \"cuda\"")),
        (DeviceChoice::Auto, recorded) => Ok(recorded.unwrap_or(otherwise)),
        (device, _) => Ok(device == DeviceChoice::Cuda),
    }
}

fn local(workers: &Workers, info: &WorkerInfo, recorded: Recorded) -> anyhow::Result<Team> {
    let gpus = info.devices.len().saturating_sub(1);
    let on_gpu = match (workers.device, recorded.on_gpu) {
        (DeviceChoice::Cpu, Some(true)) => return Err(other_device("a GPU", "workers.device = \"cpu\"")),
        (DeviceChoice::Cuda, Some(false)) => return Err(other_device("the CPU", "workers.device = \"cuda\"")),
        (DeviceChoice::Auto, Some(true)) if gpus == 0 => {
            return Err(other_device("a GPU", &format!("here there is {}", missing_gpu(info))));
        }
        (DeviceChoice::Auto, Some(on_gpu)) => on_gpu,
        (DeviceChoice::Auto, None) => gpus > 0,
        (DeviceChoice::Cpu, _) => false,
        (DeviceChoice::Cuda, _) if gpus == 0 => {
            return Err(wrong_input(format!(
                "workers.device = \"cuda\", and here there is {}; or use `--set workers.device=cpu`",
                missing_gpu(info)
            )));
        }
        (DeviceChoice::Cuda, _) => true,
    };
    if workers.count == Some(0) && workers.listen.is_none() {
        return Err(wrong_input(
            "workers.count = 0, and nobody else is let in: `--set workers.count=1`, or `--set workers.listen=0.0.0.0:0` for \
             workers of other machines",
        ));
    }
    let cores = info.cores.max(1);
    if on_gpu {
        let count = workers.count.map_or(gpus, |count| count as usize);
        if count > gpus
            && let Some(alone) = info.gpus.iter().find(|gpu| !gpu.shared)
        {
            return Err(wrong_input(format!(
                "workers.count = {count} is more than one a GPU, and {} takes one process only (its compute mode): use \
                 `--set workers.count={gpus}`, or `nvidia-smi --compute-mode=DEFAULT`",
                alone.name
            )));
        }
        let devices = (0..count).map(|worker| Device::Cuda((worker % gpus) as u32)).collect();
        let threads = recorded.threads.or(workers.threads).unwrap_or((cores / count.max(1)).clamp(1, 4) as u32);
        return Ok(Team { devices, threads });
    }
    let threads = recorded.threads.or(workers.threads).unwrap_or(1).max(1);
    let count = workers.count.map_or((cores / threads as usize).max(1), |count| count as usize);
    Ok(Team { devices: vec![Device::Cpu; count], threads })
}

/// Why there is no GPU to compute on, with the remedy.
fn missing_gpu(info: &WorkerInfo) -> String {
    if !info.remarks.is_empty() {
        return format!("no GPU that works: {}", info.remarks.join("; "));
    }
    if info.cuda_built {
        return "no CUDA device (libtorch has CUDA and finds none): check the driver with `nvidia-smi`".to_owned();
    }
    "no GPU of NVIDIA, or no driver for it: check with `nvidia-smi`".to_owned()
}

fn other_device(finished: &str, now: &str) -> anyhow::Error {
    wrong_input(format!(
        "the finished trials of this sweep were run on {finished}, and {now}: results of both cannot be ranked together. \
         {ELSEWHERE}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpus::Gpu;

    fn info(cuda_built: bool, devices: &[&str], cores: usize) -> WorkerInfo {
        let devices = devices.iter().map(|name| name.to_string()).collect();
        WorkerInfo { cuda_built, devices, cores, ..WorkerInfo::without_worker() }
    }

    fn gpu(shared: bool) -> Gpu {
        Gpu {
            uuid: "GPU-1".to_owned(),
            name: "NVIDIA H100".to_owned(),
            memory: None,
            capability: None,
            driver: "580".to_owned(),
            shared,
        }
    }

    fn threads(threads: Option<u32>) -> Recorded {
        Recorded { threads, on_gpu: None }
    }

    const NOTHING: Recorded = Recorded { threads: None, on_gpu: None };

    fn workers(count: Option<u32>, threads: Option<u32>, device: DeviceChoice) -> Workers {
        Workers {
            launcher: LauncherChoice::Local,
            count,
            threads,
            device,
            lease: 20.0,
            stall: 600.0,
            reconnect_grace: 30.0,
            listen: None,
            deterministic: false,
        }
    }

    #[test]
    fn a_cpu_gets_one_thread_workers_and_a_gpu_one_worker() {
        let auto = workers(None, None, DeviceChoice::Auto);
        let cpu = local(&auto, &info(false, &["cpu"], 8), NOTHING).unwrap();
        assert_eq!((cpu.devices.len(), cpu.threads), (8, 1));
        let gpus = local(&auto, &info(true, &["cpu", "cuda:0 (A)", "cuda:1 (B)"], 16), NOTHING).unwrap();
        assert_eq!((gpus.devices, gpus.threads), (vec![Device::Cuda(0), Device::Cuda(1)], 4));
    }

    #[test]
    fn what_a_definition_leaves_open_is_tried() {
        let describe = |workers, info: &WorkerInfo, recorded| {
            let teams = local_teams(&workers, info, recorded).unwrap();
            teams.iter().map(Team::describe).collect::<Vec<_>>()
        };
        let machine = info(false, &["cpu"], 4);
        let open = |count, threads| workers(count, threads, DeviceChoice::Auto);
        let all = ["4 workers of 1 thread on cpu", "2 workers of 2 threads on cpu", "1 worker of 4 threads on cpu"];
        assert_eq!(describe(open(None, None), &machine, threads(None)), all);
        assert_eq!(
            describe(open(None, None), &machine, threads(Some(2))),
            [all[1]],
            "what was measured with two threads"
        );
        assert_eq!(describe(open(None, Some(4)), &machine, threads(None)), [all[2]]);
        assert_eq!(describe(open(Some(3), None), &machine, threads(None)), ["3 workers of 1 thread on cpu"]);
        let gpu = info(true, &["cpu", "cuda:0 (A)"], 16);
        assert_eq!(describe(open(None, None), &gpu, threads(None)).len(), 3);
    }

    #[test]
    fn recorded_threads_win_over_wanted_ones() {
        let wanted = workers(None, Some(1), DeviceChoice::Cpu);
        let kept = local(&wanted, &info(false, &["cpu"], 4), threads(Some(2))).unwrap();
        assert_eq!((kept.devices.len(), kept.threads), (2, 2));
    }

    #[test]
    fn gpus_are_shared_by_more_workers_than_there_are_of_them() {
        let two = info(true, &["cpu", "cuda:0 (A)", "cuda:1 (B)"], 16);
        let devices = |count| local(&workers(Some(count), None, DeviceChoice::Auto), &two, NOTHING).unwrap().devices;
        assert_eq!(devices(1), [0].map(Device::Cuda));
        assert_eq!(devices(5), [0, 1, 0, 1, 0].map(Device::Cuda));

        let open = workers(None, None, DeviceChoice::Auto);
        let alone = WorkerInfo { gpus: vec![gpu(true), gpu(false)], ..two };
        assert_eq!(local_teams(&open, &alone, NOTHING).unwrap().len(), 1, "none is tried that cannot start");
        let refused = local(&workers(Some(3), None, DeviceChoice::Auto), &alone, NOTHING).unwrap_err().to_string();
        assert_eq!(
            refused,
            "workers.count = 3 is more than one a GPU, and NVIDIA H100 takes one process only (its compute mode): use \
             `--set workers.count=2`, or `nvidia-smi --compute-mode=DEFAULT`"
        );
    }

    #[test]
    fn a_sweep_stays_on_the_kind_of_device_that_it_began_on() {
        let both = info(true, &["cpu", "cuda:0 (A)"], 4);
        let cpu = info(false, &["cpu"], 4);
        let chosen = |device, on_gpu: bool, info: &WorkerInfo| {
            let recorded = Recorded { threads: None, on_gpu: Some(on_gpu) };
            local(&workers(None, None, device), info, recorded).map(|team| team.is_cuda())
        };
        assert!(!chosen(DeviceChoice::Auto, false, &both).unwrap(), "a GPU came later");
        assert!(chosen(DeviceChoice::Auto, true, &both).unwrap());
        for (device, on_gpu, info, said) in [
            (DeviceChoice::Cpu, true, &both, "were run on a GPU, and workers.device = \"cpu\""),
            (DeviceChoice::Cuda, false, &both, "were run on the CPU, and workers.device = \"cuda\""),
            (DeviceChoice::Auto, true, &cpu, "were run on a GPU, and here there is no GPU of NVIDIA"),
        ] {
            let refused = chosen(device, on_gpu, info).unwrap_err().to_string();
            assert!(refused.contains(said) && refused.ends_with(ELSEWHERE), "{refused}");
        }
    }

    #[test]
    fn trials_of_other_sweeps_count_with_the_device_that_they_ran_on() {
        let with = |recorded: Recorded, devices: &[&str]| {
            let devices = devices.iter().map(|device| device.to_string()).collect();
            recorded.with(&devices).map(|recorded| recorded.on_gpu)
        };
        let own = |on_gpu| Recorded { threads: Some(2), on_gpu: Some(on_gpu) };
        assert_eq!(with(NOTHING, &[]).unwrap(), None);
        assert_eq!(with(NOTHING, &["cpu"]).unwrap(), Some(false));
        assert_eq!(with(NOTHING, &["cuda:0 (A)", "cuda:1 (B)"]).unwrap(), Some(true));
        assert_eq!(with(own(true), &["cuda:0 (A)"]).unwrap(), Some(true));
        assert_eq!(with(own(false), &[]).unwrap(), Some(false));
        for (recorded, devices) in [(NOTHING, &["cpu", "cuda:0 (A)"][..]), (own(false), &["cuda:0 (A)"])] {
            let refused = with(recorded, devices).unwrap_err().to_string();
            assert!(refused.contains("on the CPU and some on a GPU") && refused.ends_with(ELSEWHERE), "{refused}");
        }
    }

    #[test]
    fn cuda_that_is_not_there_is_refused_with_the_remedy() {
        let cuda = workers(None, None, DeviceChoice::Cuda);
        let refused = |info: &WorkerInfo| local(&cuda, info, NOTHING).unwrap_err().to_string();
        let without_driver = refused(&info(false, &["cpu"], 4));
        assert!(
            without_driver.contains("no driver") && without_driver.contains("workers.device=cpu"),
            "{without_driver}"
        );
        let without_device = refused(&info(true, &["cpu"], 4));
        assert!(without_device.contains("libtorch has CUDA and finds none"), "{without_device}");
        let remarks = vec!["NVIDIA H100 is not used: its driver 535 is too old".to_owned()];
        let with_trouble = refused(&WorkerInfo { remarks, ..info(false, &["cpu"], 4) });
        assert!(with_trouble.contains("no GPU that works: NVIDIA H100 is not used: its driver"), "{with_trouble}");
    }
}
