//! Workers as jobs of a real Slurm: three nodes on this machine, in a folder of the test's own, without services.

use crate::place::{Place, not_run, summaries, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// All is left to jobs; the queue is looked at often.
const LENT: &str = "launch demo.toml --set workers.launcher=slurm --set slurm.poll=1 --set slurm.memory=500M";

/// A controller, three nodes and munge, until it is dropped.
struct Cluster {
    folder: TempDir,
    /// Ports are fixed before the nodes start: one cluster at a time.
    _alone: MutexGuard<'static, ()>,
}

impl Cluster {
    /// None, with a note, where Slurm is not installed; with `CI` set that is a failure.
    fn start() -> Option<Cluster> {
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            |program: &str| ["/usr/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(program).exists());
        let missing: Vec<&str> =
            ["munged", "slurmctld", "slurmd", "sbatch"].into_iter().filter(|program| !found(program)).collect();
        if !missing.is_empty() {
            not_run(&format!(
                "a Slurm of its own needs Debian's slurmctld, slurmd, slurm-client and munge ({missing:?})"
            ));
            return None;
        }
        let cluster = Cluster { folder: TempDir::new().unwrap(), _alone: alone };
        cluster.configure();
        cluster.run(
            "munged",
            &[
                "--force",
                "--key-file",
                "munge.key",
                "--socket",
                "run/munge.sock",
                "--pid-file",
                "run/munged.pid",
                "--log-file",
                "log/munged.log",
                "--seed-file",
                "state/munge.seed",
            ],
        );
        cluster.run("slurmctld", &["-c"]);
        for node in 1..=3 {
            cluster.start_node(node);
        }
        until("the nodes to be idle", || {
            let said = cluster.ask("sinfo", &["--noheader", "--states=idle", "--format=%D"]);
            (said.lines().next() == Some("3")).then_some(())
        });
        Some(cluster)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn conf(&self) -> PathBuf {
        self.path("slurm.conf")
    }

    fn configure(&self) {
        use std::os::unix::fs::PermissionsExt;
        for folder in ["run", "log", "state", "spool/n1", "spool/n2", "spool/n3"] {
            fs::create_dir_all(self.path(folder)).unwrap();
        }
        // munge takes a key only where nobody else could have changed it.
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(self.path("munge.key"), [7; 128]).unwrap();
        fs::set_permissions(self.path("munge.key"), fs::Permissions::from_mode(0o400)).unwrap();
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = self.folder.path().display();
        let mut conf = format!(
            "ClusterName=one\nSlurmctldHost=localhost\nSlurmctldPort={}\nSlurmUser={user}\nSlurmdUser={user}\n\
             AuthType=auth/munge\nAuthInfo=socket={dir}/run/munge.sock,cred_expire=5\nCredType=cred/munge\n\
             StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool/%n\nSlurmctldPidFile={dir}/run/slurmctld.pid\n\
             SlurmdPidFile={dir}/run/slurmd-%n.pid\nSlurmctldLogFile={dir}/log/slurmctld.log\n\
             SlurmdLogFile={dir}/log/slurmd-%n.log\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core_Memory\nMpiDefault=none\n\
             SchedulerParameters=bf_interval=5,sched_interval=5,sched_min_interval=100000\nReturnToService=2\n\
             KillWait=5\nMinJobAge=300\nSlurmdTimeout=15\nPreemptType=preempt/partition_prio\nPreemptMode=CANCEL\n",
            free()
        );
        for node in 1..=3 {
            conf += &format!(
                "NodeName=n{node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={} CPUs=2 RealMemory=4000\n",
                free()
            );
        }
        conf += "PartitionName=low Nodes=n[1-3] Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP PriorityTier=1\n\
                 PartitionName=high Nodes=n[1-3] MaxTime=INFINITE DefMemPerCPU=500 State=UP PriorityTier=10 PreemptMode=OFF\n";
        fs::write(self.conf(), conf).unwrap();
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let sbin = Path::new("/usr/sbin").join(program);
        let mut command = Command::new(if sbin.exists() { sbin } else { program.into() });
        command.args(arguments).current_dir(self.folder.path()).env("SLURM_CONF", self.conf());
        command.stdin(Stdio::null());
        command
    }

    /// A daemon, which goes into the background by itself.
    fn run(&self, program: &str, arguments: &[&str]) {
        // munge wants whole paths.
        let whole: Vec<String> = arguments
            .iter()
            .map(|argument| {
                match ["munge.key", "run/", "log/", "state/"].iter().any(|start| argument.starts_with(start)) {
                    true => self.path(argument).display().to_string(),
                    false => (*argument).to_owned(),
                }
            })
            .collect();
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        let status = self.command(program, &whole).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{program} does not start: see {}", self.path("log").display());
    }

    fn start_node(&self, node: u32) {
        self.run("slurmd", &["-N", &format!("n{node}")]);
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Numbers of jobs in this state.
    fn jobs(&self, state: &str) -> Vec<String> {
        let said = self.ask("squeue", &["--noheader", "-o", "%A", "--states", state]);
        said.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn kill(&self, daemon: &str, signal: Signal) {
        let pid = fs::read_to_string(self.path(&format!("run/{daemon}.pid"))).ok();
        if let Some(pid) = pid.and_then(|text| text.trim().parse().ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// A place whose commands speak to this cluster.
    fn place(&self) -> Place {
        let mut place = Place::new();
        place.set("SLURM_CONF", self.conf());
        place
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.ask("scancel", &["--me"]);
        for daemon in ["slurmd-n1", "slurmd-n2", "slurmd-n3", "slurmctld", "munged"] {
            self.kill(daemon, Signal::KILL);
        }
    }
}

/// One cluster for all of it: it takes four seconds to start.
#[test]
fn a_sweep_on_slurm_ends_as_it_would_here_whatever_happens_to_its_jobs() {
    let Some(cluster) = Cluster::start() else { return };
    runs_over_the_nodes(&cluster);
    a_job_that_is_cancelled(&cluster);
    a_time_limit(&cluster);
    preemption(&cluster);
    a_coordinator_that_is_killed(&cluster);
    a_controller_that_is_restarted(&cluster);
    a_node_that_is_lost(&cluster);
    a_folder_that_nodes_see_in_the_results_folders_stead(&cluster);
    as_many_jobs_as_are_wanted_at_least(&cluster);
    a_coordinator_that_is_a_job(&cluster);
    a_coordinator_whose_job_is_put_back(&cluster);
    a_coordinator_whose_time_is_nearly_over(&cluster);
    a_coordinator_whose_job_is_cancelled(&cluster);
    what_slurm_refuses(&cluster);
}

fn runs_over_the_nodes(cluster: &Cluster) {
    let place = cluster.place();
    let plan = place.succeed(&LENT.replacen("launch", "plan", 1));
    assert!(plan.stderr.contains("Slurm: Job "), "{plan}");
    let outcome = place.succeed(&format!("{LENT} --set slurm.max_jobs=3"));
    assert!(outcome.stderr.contains("3 workers of 1 thread on cpu"), "{outcome}");
    place.assert_as_undisturbed();
    until("no job to be left", || cluster.jobs("RUNNING,PENDING,COMPLETING").is_empty().then_some(()));
    // Nothing that lets workers in is in a job's description.
    let token = place.read("results/run/token");
    let described = cluster.ask("scontrol", &["show", "job"]);
    assert!(described.contains("frostline-") && !described.contains(&token), "{described}");
}

/// A sweep of which one trial has its first epoch and waits.
fn held(cluster: &Cluster, arguments: &str) -> (Place, crate::place::Running) {
    let place = cluster.place();
    place.hold();
    let running = place.start(&format!("{LENT} --set slurm.max_jobs=1 {arguments}"));
    place.wait_for_epochs("demo", 1);
    (place, running)
}

fn ends_well(place: &Place, running: crate::place::Running) {
    place.release();
    place.ends_as_undisturbed(running);
    let failed = place.trials("demo").into_iter().filter(|trial| trial.state != "complete").count();
    assert_eq!(failed, 0);
}

/// Interrupted attempts count against nobody.
fn assert_no_failure(place: &Place) {
    for trial in place.trials("demo") {
        let show = place.json(&format!("show {} --json", trial.id));
        let outcomes: Vec<&Value> = show["attempts"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
        assert!(outcomes.iter().all(|it| *it == "complete" || *it == "interrupted"), "{outcomes:?}");
    }
}

fn a_job_that_is_cancelled(cluster: &Cluster) {
    let (place, running) = held(cluster, "");
    for job in cluster.jobs("RUNNING") {
        cluster.ask("scancel", &[&job]);
    }
    ends_well(&place, running);
    assert_no_failure(&place);
}

fn a_time_limit(cluster: &Cluster) {
    // A minute is the shortest that Slurm has; the worker leaves after three quarters of it.
    let (place, running) = held(cluster, "--set slurm.time=1");
    until("the first attempt to be interrupted", || {
        let log = place.read("results/logs/worker-1.log");
        log.contains("leaving: ").then_some(())
    });
    ends_well(&place, running);
    assert_no_failure(&place);
}

fn preemption(cluster: &Cluster) {
    let (place, running) = held(cluster, "--set slurm.partition=low");
    // Takes all three nodes.
    let urgent =
        cluster.ask("sbatch", &["--parsable", "--partition=high", "--nodes=3", "--exclusive", "--wrap", "sleep 600"]);
    until("the urgent job to run", || cluster.jobs("RUNNING").contains(&urgent.trim().to_owned()).then_some(()));
    cluster.ask("scancel", &[urgent.trim()]);
    ends_well(&place, running);
    assert_no_failure(&place);
}

fn a_coordinator_that_is_killed(cluster: &Cluster) {
    let (place, running) = held(cluster, "--set workers.reconnect_grace=120");
    running.signal(Signal::KILL);
    running.wait();
    assert_eq!(cluster.jobs("RUNNING").len(), 1, "its job goes on");
    let resumed = place.start("resume demo");
    until("the worker to come back", || (place.worker_processes().len() == 2).then_some(()));
    ends_well(&place, resumed);
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4], "nothing was done twice");
}

fn a_controller_that_is_restarted(cluster: &Cluster) {
    let (place, running) = held(cluster, "");
    // As for an upgrade; one that is killed may forget its jobs, and ends them when it is back.
    cluster.kill("slurmctld", Signal::TERM);
    until("the queue to be missed", || {
        let log = place.read("results/logs/coordinator.log");
        log.contains("Slurm does not say how its jobs stand").then_some(())
    });
    cluster.run("slurmctld", &[]);
    until("the controller to answer", || (cluster.jobs("RUNNING").len() == 1).then_some(()));
    ends_well(&place, running);
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
}

fn a_node_that_is_lost(cluster: &Cluster) {
    let (place, running) = held(cluster, "");
    let node = cluster.ask("squeue", &["--noheader", "-o", "%N", "--states", "RUNNING"]);
    let node = node.trim().to_owned();
    // Its processes live on, and so does the worker: nobody takes its trial away while it speaks.
    cluster.kill(&format!("slurmd-{node}"), Signal::KILL);
    until("the job to be gone", || cluster.jobs("RUNNING").is_empty().then_some(()));
    ends_well(&place, running);
    assert_no_failure(&place);
    cluster.start_node(node.trim_start_matches('n').parse().unwrap());
}

/// As where the results folder is on a disk that nodes don't have: jobs find all that they need in another.
fn a_folder_that_nodes_see_in_the_results_folders_stead(cluster: &Cluster) {
    let (place, running) = held(cluster, "--set slurm.folder=shared");
    let shared = fs::read_dir(place.path("shared")).unwrap().next().unwrap().unwrap().path();
    assert!(shared.join("access.json").exists() && shared.join("logs/worker-1.log").exists(), "{}", shared.display());
    assert!(!place.path("results/logs/worker-1.log").exists());
    ends_well(&place, running);
}

/// One trial is all that there is to do.
fn as_many_jobs_as_are_wanted_at_least(cluster: &Cluster) {
    let place = cluster.place();
    place.edit("[0, \"all\"]", "[0]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.hold();
    let running = place.start(&format!("{LENT} --set slurm.max_jobs=3 --set slurm.min_jobs=2"));
    place.wait_for_epochs("demo", 1);
    until("two jobs to run", || (cluster.jobs("RUNNING").len() == 2).then_some(()));
    assert_eq!(cluster.jobs("PENDING,RUNNING").len(), 2);
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    no_job_is_left(cluster);
}

/// Numbers and states of coordinators' jobs.
fn coordinators(cluster: &Cluster) -> Vec<(String, String)> {
    let said = cluster.ask("squeue", &["--noheader", "-o", "%A %T %j"]);
    let jobs = said.lines().filter(|line| line.ends_with("-coordinator"));
    let job = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    jobs.map(job).map(|words| (words[0].clone(), words[1].clone())).collect()
}

fn no_job_is_left(cluster: &Cluster) {
    until("no job to be left", || cluster.ask("squeue", &["--noheader"]).trim().is_empty().then_some(()));
}

/// The same, handed over whole.
fn as_job(arguments: &str) -> String {
    format!("{LENT} --as-job {arguments}")
}

fn a_coordinator_that_is_a_job(cluster: &Cluster) {
    let place = cluster.place();
    let submitted = place.succeed(&as_job("--set slurm.max_jobs=2 --set train.batch_size=20 -q"));
    assert_eq!(submitted.stdout, "");
    no_job_is_left(cluster);
    let log = place.read("results/logs/job.log");
    assert!(log.contains("The best trial"), "{log}");
    place.assert_as_undisturbed();
    // Nothing is left to do, and it says so.
    let again = place.succeed(&as_job(""));
    assert!(again.stderr.contains(" runs `demo`, and comes back by itself"), "{again}");
    no_job_is_left(cluster);
    assert!(place.read("results/logs/job.log").contains("nothing new, all 4 trials are finished"));
}

/// A sweep that a job runs, of which one trial has its first epoch and waits, with the coordinator's number.
fn handed_over(cluster: &Cluster) -> (Place, String) {
    let place = cluster.place();
    place.hold();
    place.succeed(&as_job("--set slurm.max_jobs=1 --shared-disk"));
    place.wait_for_epochs("demo", 1);
    let [(id, _)] = &coordinators(cluster)[..] else { panic!("one job is the coordinator") };
    let id = id.clone();
    (place, id)
}

fn a_coordinator_whose_job_is_put_back(cluster: &Cluster) {
    let (place, id) = handed_over(cluster);
    let second = place.run(&as_job(""));
    assert_eq!(second.code, Some(1), "{second}");
    assert!(
        second.stderr.contains(&format!("job {id} (running) is the coordinator of `results` already")),
        "{second}"
    );
    // Whatever becomes of the file: what was launched goes on.
    place.write("demo.toml", "not a sweep any more");
    cluster.ask("scontrol", &["requeue", &id]);
    until("the worker to come back", || (place.worker_processes().len() == 2).then_some(()));
    let workers = place.worker_processes();
    assert_eq!(workers[0], workers[1], "it is the same process");
    assert_eq!(coordinators(cluster), [(id, "RUNNING".to_owned())]);
    place.release();
    no_job_is_left(cluster);
    place.assert_as_undisturbed();
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4], "nothing was done twice");
    let log = place.read("results/logs/job.log");
    assert!(log.contains("this job comes back, and its workers wait for it"), "{log}");
}

fn a_coordinator_whose_time_is_nearly_over(cluster: &Cluster) {
    let (place, id) = handed_over(cluster);
    let limit =
        |minutes: u32| cluster.ask("scontrol", &["update", &format!("jobid={id}"), &format!("timelimit={minutes}")]);
    // It is warned two minutes ahead, and puts itself back.
    limit(2);
    until("the job to wait again", || {
        let waits = |(_, state): &(String, String)| state == "PENDING";
        coordinators(cluster).first().is_some_and(waits).then_some(())
    });
    limit(600);
    until("the worker to come back", || (place.worker_processes().len() == 2).then_some(()));
    place.release();
    no_job_is_left(cluster);
    place.assert_as_undisturbed();
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
}

fn a_coordinator_whose_job_is_cancelled(cluster: &Cluster) {
    let (place, id) = handed_over(cluster);
    cluster.ask("scancel", &[&id]);
    // And its workers with it.
    no_job_is_left(cluster);
    place.release();
    let unfinished = |place: &Place| place.trials("demo").iter().filter(|trial| trial.state != "complete").count();
    assert_eq!(unfinished(&place), 4);
    place.succeed(&as_job("--set slurm.max_jobs=1"));
    no_job_is_left(cluster);
    assert_eq!(unfinished(&place), 0);
    place.assert_as_undisturbed();
    assert_no_failure(&place);
}

fn what_slurm_refuses(cluster: &Cluster) {
    let place = cluster.place();
    for command in ["plan", "launch"] {
        let refused = place.run(&format!("{} --set slurm.partition=nosuch", LENT.replacen("launch", command, 1)));
        assert_eq!(refused.code, Some(2), "{refused}");
        let said = "Slurm does not take a worker's job as [slurm] describes it";
        assert!(refused.stderr.contains(said) && refused.stderr.contains("partition"), "{refused}");
    }
    let refused = place.run(&as_job("--set slurm.coordinator_partition=nosuch"));
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("Slurm does not take the coordinator's job"), "{refused}");
    let refused = place.run("launch demo.toml --as-job");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("say  --set workers.launcher=slurm"), "{refused}");
    // Jobs that end before they join are a mistake, and not tried for ever.
    let stuck = place.run(&format!("{LENT} --set slurm.max_jobs=1 --set slurm.prologue=false||exit"));
    assert_eq!(stuck.code, Some(1), "{stuck}");
    assert!(stuck.stderr.contains("no worker stays alive: the last one ended with Slurm job"), "{stuck}");
}
