//! What Slurm says of jobs, in words that its versions share: text, a line a job.

use frostline_protocol::{Incarnation, WorkerId};

/// Of every version since 2.x: number, state, name. A name has no spaces, for it is one of ours.
pub(super) const FORMAT: &str = "%A %T %j";

/// One of our jobs, as `squeue` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) worker: WorkerId,
    pub(super) incarnation: Incarnation,
}

impl Listed {
    /// Whether its turn has not come yet. A state that nobody knows counts as one of a job that runs.
    pub(super) fn waits(&self) -> bool {
        matches!(
            self.state.as_str(),
            "PENDING"
                | "CONFIGURING"
                | "REQUEUE_HOLD"
                | "REQUEUE_FED"
                | "REQUEUED"
                | "SPECIAL_EXIT"
                | "RESV_DEL_HOLD"
        )
    }

    /// Whether it is listed for a while though it is over.
    pub(super) fn is_over(&self) -> bool {
        OVER.contains(&self.state.as_str())
    }
}

/// States that no job leaves. A job that is COMPLETING still has processes.
pub(super) const OVER: [&str; 10] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    // Of a federation: another cluster has taken it.
    "REVOKED",
    "TIMEOUT",
];

/// Those jobs of a list whose names begin with `prefix`. Lines of another form, as of warnings, are passed over.
pub(super) fn listed(text: &str, prefix: &str) -> Vec<Listed> {
    let job = |line: &str| {
        let mut words = line.split_whitespace();
        let (id, state, name) = (words.next()?, words.next()?, words.next()?);
        let (worker, incarnation) = place(name, prefix)?;
        Some(Listed { id: id.to_owned(), state: state.to_owned(), worker, incarnation })
    };
    text.lines().filter_map(job).collect()
}

/// Number and state of the job of this whole name that is not over.
pub(super) fn listed_as(text: &str, name: &str) -> Option<(String, String)> {
    let job = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (id, state, found) = (words.next()?, words.next()?, words.next()?);
        (found == name && !OVER.contains(&state.as_str())).then_some((id, state))
    };
    text.lines().find_map(job)
}

/// A job's name says whose process it is, so that it is found again whoever has forgotten its number.
pub(super) fn name(prefix: &str, worker: WorkerId, incarnation: Incarnation) -> String {
    format!("{prefix}-{}-{}", worker.0, incarnation.0)
}

fn place(name: &str, prefix: &str) -> Option<(WorkerId, Incarnation)> {
    let (worker, incarnation) = name.strip_prefix(prefix)?.strip_prefix('-')?.split_once('-')?;
    Some((WorkerId(worker.parse().ok()?), Incarnation(incarnation.parse().ok()?)))
}

/// How a job ended, by `scontrol -o show job`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) state: String,
    /// "1:0": what its process returned, and the signal that ended it.
    pub(super) code: Option<String>,
}

impl End {
    /// Whether Slurm, or whoever owns the machine, has ended it. Of one that it has forgotten, nothing else is known than
    /// that nobody has seen it fail.
    pub(super) fn is_excused(&self) -> bool {
        !matches!(self.state.as_str(), "FAILED" | "OUT_OF_MEMORY")
    }

    pub(super) fn describe(&self, id: &str) -> String {
        let code =
            self.code.as_deref().filter(|code| *code != "0:0").map_or(String::new(), |code| format!(", exit {code}"));
        format!("Slurm job {id} is {}{code}", self.state)
    }
}

/// Of `KEY=VALUE` pairs of one line.
pub(super) fn value(text: &str, key: &str) -> Option<String> {
    let mut pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
}

pub(super) fn end(text: &str) -> End {
    End { state: value(text, "JobState").unwrap_or_else(|| "gone".to_owned()), code: value(text, "ExitCode") }
}

/// The job's number in what `sbatch --parsable` prints: "123" or "123;cluster", on a line of its own among a site's own words.
pub(super) fn submitted(text: &str) -> Option<String> {
    let ids = text.lines().rev().filter_map(|line| line.trim().split(';').next());
    let mut numbers = ids.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.next().map(str::to_owned)
}

/// Whether a command failed because nobody answered, and not because of what was asked.
pub(super) fn is_passing(message: &str) -> bool {
    const WORDS: [&str; 12] = [
        "Unable to contact slurm controller",
        "Socket timed out",
        "Connection refused",
        "Connection timed out",
        "Resource temporarily unavailable",
        "Communication connection failure",
        "Zero Bytes were transmitted",
        "Slurm backup controller in standby mode",
        "slurm_receive_msg",
        "Transport endpoint is not connected",
        // Of a controller that takes a connection and says nothing more.
        "Unexpected message received",
        // Nobody is there who proves whose request it is: munge is being restarted.
        "Protocol authentication error",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "frostline-0a1b2c3d";

    #[test]
    fn our_jobs_are_found_by_name_among_others_warnings_and_nonsense() {
        let text = "\
slurm_load_jobs error: warning: something\n\
17 RUNNING frostline-0a1b2c3d-1-1700000000000001\n\
18 PENDING frostline-0a1b2c3d-2-1700000000000002\n\
19 RUNNING frostline-ffffffff-1-5\n\
20 RUNNING train.sh\n\
21 RUNNING frostline-0a1b2c3d-x-1\n\
22 NEWSTATE frostline-0a1b2c3d-3-7\n\
23 TIMEOUT frostline-0a1b2c3d-4-8\n\
\n\
24\n";
        let jobs = listed(text, PREFIX);
        let short: Vec<_> =
            jobs.iter().map(|job| (job.id.as_str(), job.worker.0, job.waits(), job.is_over())).collect();
        assert_eq!(
            short,
            [("17", 1, false, false), ("18", 2, true, false), ("22", 3, false, false), ("23", 4, false, true)]
        );
        assert_eq!(name(PREFIX, jobs[0].worker, jobs[0].incarnation), "frostline-0a1b2c3d-1-1700000000000001");
        assert_eq!(listed("", PREFIX), []);
    }

    /// As 22.05.8 prints it, and 23.11 with another order.
    #[test]
    fn how_a_job_ended_is_read_whatever_else_is_said() {
        let text = "JobId=12 JobName=frostline-0a1b2c3d-1-5 UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 \
            Nice=0 Account=(null) QOS=(null) JobState=TIMEOUT Reason=TimeLimit Dependency=(null) Requeue=0 Restarts=0 \
            BatchFlag=1 Reboot=0 ExitCode=0:15 RunTime=00:01:17 TimeLimit=00:01:00";
        let timeout = end(text);
        assert_eq!(timeout, End { state: "TIMEOUT".to_owned(), code: Some("0:15".to_owned()) });
        assert!(timeout.is_excused());
        assert_eq!(timeout.describe("12"), "Slurm job 12 is TIMEOUT, exit 0:15");
        let failed = end("ExitCode=1:0 Foo=Bar=Baz JobState=FAILED");
        assert!(!failed.is_excused());
        assert_eq!(failed.describe("3"), "Slurm job 3 is FAILED, exit 1:0");
        for state in ["CANCELLED", "PREEMPTED", "NODE_FAIL", "SOMETHING_NEW"] {
            assert!(end(&format!("JobState={state}")).is_excused(), "{state}");
        }
        assert!(!end("JobState=OUT_OF_MEMORY ExitCode=0:125").is_excused());
        for nothing in ["", "slurm_load_jobs error: Invalid job id specified", "=", "JobState"] {
            assert_eq!(end(nothing), End { state: "gone".to_owned(), code: None });
            assert!(end(nothing).is_excused());
        }
    }

    /// Every state of the manuals of 19.05 to 24.05: what neither waits nor is over runs, or is about to end.
    #[test]
    fn every_state_that_a_version_knows_is_one_of_three() {
        let of = |state: &str| {
            let job = listed(&format!("7 {state} {PREFIX}-1-1"), PREFIX).remove(0);
            (job.waits(), job.is_over())
        };
        let waiting =
            ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"];
        let running =
            ["RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING", "NEW_IN_30"];
        let over = [
            "BOOT_FAIL",
            "CANCELLED",
            "COMPLETED",
            "DEADLINE",
            "FAILED",
            "NODE_FAIL",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "REVOKED",
            "TIMEOUT",
        ];
        for (states, expected) in
            [(&waiting[..], (true, false)), (&running[..], (false, false)), (&over[..], (false, true))]
        {
            for state in states {
                assert_eq!(of(state), expected, "{state}");
            }
        }
    }

    #[test]
    fn the_number_of_a_submitted_job_has_a_line_of_its_own() {
        assert_eq!(submitted("123\n").as_deref(), Some("123"));
        assert_eq!(submitted("12 jobs wait\n125\nGood luck!\n").as_deref(), Some("125"));
        assert_eq!(submitted("sbatch: INFO: checking account\n124;cluster\n\n").as_deref(), Some("124"));
        for nonsense in ["", "\n", "Submitted batch job 12", "12a", ";x"] {
            assert_eq!(submitted(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_controller_that_does_not_answer_is_asked_again_and_a_wrong_option_is_not() {
        for passing in [
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            "slurm_load_jobs error: Socket timed out on send/recv operation",
        ] {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in [
            "sbatch: error: invalid partition specified: nosuch",
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
        ] {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
