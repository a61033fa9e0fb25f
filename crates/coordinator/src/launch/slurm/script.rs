//! What a worker's job is told: how it is submitted, and what it runs.

use super::queue::name;
use super::{Seen, SlurmWorkers};
use crate::launch::join_line;
use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::quoted;
use frostline_sweep::device::Device;

/// Seconds before its limit in which Slurm warns a job: it does so up to a minute early.
pub(super) const WARNING: u32 = 120;

/// Arguments of `sbatch`. They are no lines of the script, where paths with spaces would end.
pub(super) fn arguments(
    workers: &SlurmWorkers,
    seen: &Seen,
    prefix: &str,
    worker: WorkerId,
    incarnation: Incarnation,
) -> Vec<String> {
    let options = &workers.options;
    let log = seen.folder.worker_log(worker.0).display().to_string().replace('%', "%%");
    let mut arguments = vec![
        "--parsable".to_owned(),
        format!("--job-name={}", name(prefix, worker, incarnation)),
        // Retries are the coordinator's: a job that comes back by itself would be a second process of one place.
        "--no-requeue".to_owned(),
        "--ntasks=1".to_owned(),
        format!("--cpus-per-task={}", options.cpus.unwrap_or(workers.threads)),
        format!("--signal=B:USR2@{WARNING}"),
        format!("--output={log}"),
        "--open-mode=append".to_owned(),
    ];
    let wanted = [
        ("partition", &options.partition),
        ("account", &options.account),
        ("qos", &options.qos),
        ("constraint", &options.constraint),
        ("gpus", &options.gpus),
        ("mem", &options.memory),
        ("time", &options.time),
    ];
    arguments.extend(wanted.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?))));
    if workers.on_gpu && options.gpus.is_none() {
        arguments.push("--gpus=1".to_owned());
    }
    arguments.extend(options.options.iter().cloned());
    arguments
}

/// The script: the worker is the job's own process, so that signals reach it.
pub(super) fn script(workers: &SlurmWorkers, seen: &Seen, worker: WorkerId, incarnation: Incarnation) -> String {
    let prologue = workers.options.prologue.as_deref().unwrap_or_default();
    let device = if workers.on_gpu { Device::Cuda(0) } else { Device::Cpu };
    let join = join_line(&workers.program, &seen.access, worker, incarnation, device);
    let checkpoints = seen.is_apart.then(|| format!(" --checkpoints {}", quoted(&seen.folder.checkpoints())));
    let checkpoints = checkpoints.unwrap_or_default();
    format!("#!/bin/sh\n{prologue}\nexec {join}{checkpoints}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_results::Folder;
    use frostline_sweep::definition::Slurm;

    fn workers(options: Slurm) -> SlurmWorkers {
        SlurmWorkers {
            options,
            program: "/opt/my tools/frostline".into(),
            on_gpu: true,
            threads: 4,
            folder: Folder::new("/shared/50% results"),
        }
    }

    #[test]
    fn a_job_is_one_worker_that_slurm_never_starts_again_by_itself() {
        let options = Slurm {
            partition: Some("gpu".to_owned()),
            memory: Some("16G".to_owned()),
            time: Some("4:00:00".to_owned()),
            options: vec!["--exclude=n7".to_owned()],
            prologue: Some("module load cuda".to_owned()),
            ..Slurm::default()
        };
        let workers = workers(options);
        let said = arguments(&workers, &workers.seen("x"), "frostline-0a1b2c3d", WorkerId(2), Incarnation(77));
        assert_eq!(
            said,
            [
                "--parsable",
                "--job-name=frostline-0a1b2c3d-2-77",
                "--no-requeue",
                "--ntasks=1",
                "--cpus-per-task=4",
                "--signal=B:USR2@120",
                "--output=/shared/50%% results/logs/worker-2.log",
                "--open-mode=append",
                "--partition=gpu",
                "--mem=16G",
                "--time=4:00:00",
                "--gpus=1",
                "--exclude=n7",
            ]
        );
        assert_eq!(
            script(&workers, &workers.seen("x"), WorkerId(2), Incarnation(77)),
            "#!/bin/sh\nmodule load cuda\nexec '/opt/my tools/frostline' join '/shared/50% results/run/access.json' --worker 2 \
             --incarnation 77 --device cuda:0\n"
        );
    }
}
