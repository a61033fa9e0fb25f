//! What several versions of Slurm were heard to say (`tests/slurm`), held against what is known to have been true.

use super::own::{Fate, fate};
use super::queue::{end, is_passing, listed, listed_as, submitted};
use crate::launch::ask::answer;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};

const PREFIX: &str = "frostline-0a1b2c3d";

/// A command and what came of it.
struct Said {
    command: String,
    output: Output,
}

impl Said {
    fn answer(&self) -> Result<String, String> {
        answer(&self.output)
    }
}

/// What was asked while something was so.
struct Scene {
    title: String,
    said: Vec<Said>,
}

impl Scene {
    fn of(&self, program: &str) -> &Said {
        let found = self.said.iter().find(|said| said.command.starts_with(program));
        found.unwrap_or_else(|| panic!("{}: nobody asked {program}", self.title))
    }
}

struct Recording {
    version: String,
    scenes: Vec<Scene>,
}

impl Recording {
    fn read(path: &Path) -> Recording {
        let mut scenes: Vec<Scene> = Vec::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (kind, scenes.last_mut().and_then(|scene| scene.said.last_mut())) {
                ("##", _) => scenes.push(Scene { title: rest.to_owned(), said: Vec::new() }),
                ("$", _) => {
                    let output = Output { status: ExitStatus::default(), stdout: Vec::new(), stderr: Vec::new() };
                    scenes.last_mut().unwrap().said.push(Said { command: rest.to_owned(), output });
                }
                ("out", Some(said)) => said.output.stdout.extend_from_slice(format!("{rest}\n").as_bytes()),
                ("err", Some(said)) => said.output.stderr.extend_from_slice(format!("{rest}\n").as_bytes()),
                ("exit", Some(said)) => said.output.status = ExitStatus::from_raw(rest.parse::<i32>().unwrap() << 8),
                ("#", None) => {}
                _ => panic!("{}: `{line}` is no line of a recording", path.display()),
            }
        }
        Recording { version: path.file_stem().unwrap().to_string_lossy().into_owned(), scenes }
    }

    fn all() -> Vec<Recording> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|it| it == "txt")).collect();
        files.sort();
        files.iter().map(|path| Recording::read(path)).collect()
    }

    fn scene(&self, title: &str) -> &Scene {
        let found = self.scenes.iter().find(|scene| scene.title == title);
        found.unwrap_or_else(|| panic!("{}: `{title}` was not recorded", self.version))
    }
}

/// How a job really stood.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stood {
    Waiting,
    /// On a machine, for a while at least.
    There,
    /// It is over: by its own doing, or by that of whoever lent the machine; the state's name; what it returned and the signal
    /// that ended it, where anybody can know.
    Over(Whose, &'static str, Option<&'static str>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Whose {
    Own,
    Lenders,
}

use Stood::{Over, There, Waiting};
use Whose::{Lenders, Own};

/// By what was done to each job, and not by what Slurm says of it.
const STOOD: [(u32, &str, Stood); 26] = [
    (2, "runs", There),
    (2, "is suspended", There),
    (3, "returned 3", Over(Own, "FAILED", Some("3:0"))),
    (4, "was killed by signal 9", Over(Own, "FAILED", Some("0:9"))),
    (5, "is complete", Over(Lenders, "COMPLETED", Some("0:0"))),
    (6, "waits: held", Waiting),
    (7, "waits: begins later", Waiting),
    (8, "waits: for another job", Waiting),
    (9, "waits: for a job that failed", Waiting),
    (10, "waits: for room", Waiting),
    (11, "waits: behind another", Waiting),
    (12, "waits: longer than its partition allows", Waiting),
    (6, "was cancelled while it waited", Over(Lenders, "CANCELLED", Some("0:0"))),
    (13, "was cancelled and still ends", There),
    (13, "was cancelled while it ran", Over(Lenders, "CANCELLED", Some("0:9"))),
    (14, "had to give way", Over(Lenders, "PREEMPTED", Some("0:15"))),
    (15, "had to give way, and is put back", Waiting),
    (17, "is put back and still ends", There),
    (17, "is put back", Waiting),
    (19, "is put back and held", Waiting),
    (20, "is put back as a special exit", Waiting),
    (21, "runs on a node that is about to be missed", There),
    (21, "lost its node", Over(Lenders, "NODE_FAIL", None)),
    (22, "lost its node, and is put back", Waiting),
    (23, "waits: for a node that is down", Waiting),
    (1, "ran out of time", Over(Lenders, "TIMEOUT", Some("0:15"))),
];

#[test]
fn every_version_is_understood_of_every_job() {
    let recordings = Recording::all();
    let versions: Vec<&str> = recordings.iter().map(|recording| recording.version.as_str()).collect();
    assert_eq!(versions, ["20.11.4", "22.05.8", "24.11.5", "26.05.5"]);
    for recording in &recordings {
        for (number, title, stood) in STOOD {
            let scene = recording.scene(&format!("job {number}: {title}"));
            let place = format!("{}, {}", recording.version, scene.title);
            let list = scene.of("squeue").answer().unwrap_or_else(|error| panic!("{place}: {error}"));
            let jobs = listed(&list, PREFIX);
            assert_eq!(jobs.len(), list.lines().count(), "{place}: every line is understood");
            let job = jobs.iter().find(|job| job.worker.0 == number);
            let described = scene.of("scontrol").answer().unwrap_or_else(|error| panic!("{place}: {error}"));
            match stood {
                Waiting | There => {
                    let job = job.unwrap_or_else(|| panic!("{place}: it is not listed"));
                    assert_eq!((job.waits(), job.is_over()), (stood == Waiting, false), "{place}: {}", job.state);
                    let name = format!("{PREFIX}-{number}-1");
                    assert_eq!(listed_as(&list, &name), Some((job.id.clone(), job.state.clone())), "{place}");
                    assert!(described.starts_with(&format!("JobId={} JobName={name} ", job.id)), "{place}");
                }
                Over(whose, state, code) => {
                    assert!(job.is_none_or(|job| job.is_over()), "{place}: {job:?}");
                    let end = end(&described);
                    assert_eq!(end.state, state, "{place}");
                    assert!(code.is_none_or(|code| end.code.as_deref() == Some(code)), "{place}: {:?}", end.code);
                    assert_eq!(end.is_excused(), whose == Lenders, "{place}");
                }
            }
        }
        let empty = recording.scene("no job is left").of("squeue").answer();
        assert_eq!(empty.map(|list| listed(&list, PREFIX).len()), Ok(0), "{}", recording.version);
    }
}

/// Of a coordinator's own job, which asks what becomes of it.
#[test]
fn every_version_says_what_becomes_of_a_coordinators_job() {
    for recording in Recording::all() {
        for (title, expected) in [
            ("job 2: runs", Fate::Warned),
            ("job 13: was cancelled and still ends", Fate::Ends),
            ("job 13: was cancelled while it ran", Fate::Ends),
            ("job 15: had to give way, and is put back", Fate::PutBack),
            ("job 17: is put back and still ends", Fate::PutBack),
            ("job 22: lost its node, and is put back", Fate::PutBack),
            ("job 1: ran out of time", Fate::Ends),
        ] {
            let said = recording.scene(title).of("scontrol").answer();
            assert_eq!(said.map(|said| fate(&said, 0)), Ok(expected), "{}, {title}", recording.version);
        }
        let unknown = recording.scene("a job that there never was").of("scontrol").answer();
        assert!(unknown.is_err_and(|error| !is_passing(&error)), "{}", recording.version);
        let refused = recording.scene("a job that may not come back is put back").of("scontrol").answer();
        assert!(refused.is_err(), "{}", recording.version);
        assert_eq!(recording.scene("a job is put back").of("scontrol").answer(), Ok(String::new()));
    }
}

#[test]
fn every_version_takes_a_job_or_says_why_not() {
    for recording in Recording::all() {
        let version = &recording.version;
        let taken = recording.scene("a job is taken").of("sbatch").answer().unwrap();
        assert!(submitted(&taken).is_some_and(|id| id.parse::<u32>().is_ok_and(|id| id > 23)), "{version}: {taken}");
        let tested = &recording.scene("a job would be taken").of("sbatch").output;
        let said = String::from_utf8_lossy(&tested.stderr);
        assert!(tested.status.success() && said.contains(" to start at "), "{version}: {said}");
        let refused: Vec<&Scene> =
            recording.scenes.iter().filter(|scene| scene.title.starts_with("a job is refused: ")).collect();
        assert_eq!(refused.len(), 6, "{version}");
        for said in refused.iter().flat_map(|scene| &scene.said) {
            let place = format!("{version}: {}", said.command);
            let error = said.answer().expect_err(&place);
            assert!(!is_passing(&error), "{place}: {error}");
            assert!(error.starts_with("sbatch: ") || error.starts_with("allocation failure: "), "{place}: {error}");
        }
        // Some take a job that waits for ever; all refuse it where they are asked whether they would.
        let impossible = recording.scene("no node has what a job wants, and one is down").of("sbatch --test-only");
        assert!(impossible.answer().is_err_and(|error| error.contains("not available")), "{version}");
    }
}

/// No controller, one that does not answer, and nobody who could prove whose job it is: no answer is taken for one.
#[test]
fn what_every_version_says_where_nobody_answers_is_no_answer() {
    for recording in Recording::all() {
        for (title, questions) in [
            ("the controller does not answer", 7),
            ("nobody can prove who they are", 2),
            ("there is no controller", 7),
        ] {
            let scene = recording.scene(title);
            assert_eq!(scene.said.len(), questions, "{}, {title}", recording.version);
            for said in &scene.said {
                let place = format!("{}, {title}: {}", recording.version, said.command);
                let error = said.answer().expect_err(&place);
                assert!(is_passing(&error), "{place}: {error}");
                assert!(submitted(&String::from_utf8_lossy(&said.output.stdout)).is_none(), "{place}");
            }
        }
    }
}
