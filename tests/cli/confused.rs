//! A queue that answers nonsense, or not at all: scripts stand for Slurm's commands, and a file says what they say.

use crate::place::{Place, summaries, until};
use std::fs;

const LENT: &str = "launch demo.toml --set workers.launcher=slurm --set slurm.poll=1 --set slurm.max_jobs=1";

/// Jobs are processes in the background. What lies in `squeue-says` or `sbatch-says` is done instead; each call is noted.
fn queue() -> Place {
    let mut place = Place::new();
    let here = place.path("");
    let here = here.display();
    let job = "for word; do case $word in --job-name=*) name=${word#*=} ;; --output=*) log=${word#*=} ;; esac; done";
    place.script(
        "bin/sbatch",
        &format!(
            "cd {here}\n[ \"$1\" = --test-only ] && exec echo 'sbatch: Job 1 to start at once' >&2\necho asked >> sbatch-asked\n\
             [ -e sbatch-says ] && . ./sbatch-says\n{job}\ncat > job.sh\nsetsid sh job.sh >> \"$log\" 2>&1 < /dev/null &\n\
             echo \"$! RUNNING $name\" >> jobs\necho $!"
        ),
    );
    let listed = "while read -r id state name; do kill -0 $id 2> /dev/null && echo $id $state $name; done < jobs";
    let squeue = format!(
        "cd {here}\necho asked >> squeue-asked\n[ -e squeue-says ] && . ./squeue-says\n[ -e jobs ] || exit 0\n{listed}\nexit 0"
    );
    place.script("bin/squeue", &squeue);
    place.script("bin/scancel", &format!("echo $1 >> {here}/cancelled\nkill $1"));
    place.script("bin/scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2\nexit 1");
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap());
    place.set("PATH", path);
    place
}

fn asked(place: &Place, program: &str) -> usize {
    fs::read_to_string(place.path(&format!("{program}-asked"))).unwrap_or_default().lines().count()
}

#[test]
fn what_a_queue_says_that_makes_no_sense_ends_no_job() {
    let place = queue();
    place.write(
        "nonsense",
        "\n  \nPriority queue of 2026: see https://cluster/news\n17\nRUNNING\nfrostline-\nx RUNNING frostline-00000000-1-1\n",
    );
    place.hold();
    let running = place.start(LENT);
    place.wait_for_epochs("demo", 1);
    let workers = place.worker_processes();
    for says in [
        "exit 0",
        "cat nonsense; head -c 4096 /dev/zero; printf '\\377\\376 \\200\\n'; exit 0",
        "echo 'slurm_load_jobs error: Unexpected message received' >&2; exit 1",
        "kill -9 $$",
        "exit 127",
    ] {
        let before = asked(&place, "squeue");
        place.write("squeue-says", says);
        // It counts as gone after two lists without it, as far as Slurm is asked.
        until(says, || (asked(&place, "squeue") > before + 2).then_some(()));
        assert_eq!(place.worker_processes(), workers, "{says}");
    }
    fs::remove_file(place.path("squeue-says")).unwrap();
    place.release();
    place.ends_as_undisturbed(running);
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
    assert!(!place.path("cancelled").exists(), "{}", place.read("cancelled"));
    let log = place.read("results/logs/coordinator.log");
    for named in ["Unexpected message received", "signal: 9", "exit status: 127"] {
        let said = log.lines().any(|line| line.contains("is asked again: ") && line.contains(named));
        assert!(said, "{named}: {log}");
    }
}

#[test]
fn a_queue_that_is_busy_is_asked_for_a_job_again_and_one_that_answers_nonsense_is_named() {
    let place = queue();
    place.write(
        "sbatch-says",
        "case $(wc -l < sbatch-asked) in\n\
         1) echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1 ;;\n\
         2) echo 'Thank you for your job.'; exit 0 ;;\n\
         esac",
    );
    place.ends_as_undisturbed(place.start(LENT));
    assert_eq!(asked(&place, "sbatch"), 3);
    let log = place.read("results/logs/coordinator.log");
    assert!(log.contains("Slurm did not take a job, the next try is in 2s"), "{log}");
    assert!(log.contains("sbatch answered `Thank you for your job.`"), "{log}");
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
}
