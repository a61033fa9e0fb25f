//! The keys that say how a sweep is run, and nothing of what it finds: no part of a trial's identity.

use super::key::{Fallback, Key};
use super::kind::Kind;

pub(super) static RUNNING: [Key; 28] = [
    Key {
        section: "workers",
        name: "launcher",
        kind: Kind::Words(|| vec!["local", "slurm"]),
        default: Fallback::Is(r#""local""#),
        meaning: "Who starts workers: `\"local\"`, the coordinator on its own machine; `\"slurm\"`, as jobs of a cluster \
                  ([cluster.md](cluster.md)), by what `[slurm]` says.",
        example: r#""slurm""#,
    },
    Key {
        section: "workers",
        name: "count",
        kind: Kind::WordOr("auto", &Kind::Whole { least: 0, most: 1024 }),
        default: Fallback::Is(r#""auto""#),
        meaning: "Worker processes on this machine. `\"auto\"` takes one a core or one a GPU, and for sweeps of more than \
                  some minutes the number that measuring finds to be fastest. 0 leaves all to workers of other machines \
                  (`listen`).",
        example: "2",
    },
    Key {
        section: "workers",
        name: "threads",
        kind: Kind::WordOr("auto", &Kind::Whole { least: 1, most: 1024 }),
        default: Fallback::Is(r#""auto""#),
        meaning: "libtorch threads of each worker; `\"auto\"` as with `count`. Results repeat to the bit for the same \
                  number of threads only, so it is chosen once a sweep and kept.",
        example: "1",
    },
    Key {
        section: "workers",
        name: "device",
        kind: Kind::Words(|| vec!["auto", "cpu", "cuda"]),
        default: Fallback::Is(r#""auto""#),
        meaning: "Where the workers compute; `\"auto\"` takes CUDA where it is.",
        example: r#""cpu""#,
    },
    Key {
        section: "workers",
        name: "lease",
        kind: Kind::seconds(1.0),
        default: Fallback::Is("20.0"),
        meaning: "Silence after which a worker counts as lost: it is killed, and its trial goes to another. Workers \
                  say that they live several times in that time, also in long batches.",
        example: "60",
    },
    Key {
        section: "workers",
        name: "stall",
        kind: Kind::seconds(1.0),
        default: Fallback::Is("600.0"),
        meaning: "Time without a step after which a worker that lives is replaced, as one that is lost is: a computation \
                  can hang. A worker has ten times the longest step so far in any case.",
        example: "60",
    },
    Key {
        section: "workers",
        name: "reconnect_grace",
        kind: Kind::seconds(0.0),
        default: Fallback::Is("30.0"),
        meaning: "How long a worker without its coordinator tries to come back before it ends.",
        example: "120",
    },
    Key {
        section: "workers",
        name: "listen",
        kind: Kind::Address,
        default: Fallback::Follows("nobody is let in"),
        meaning: "Where workers of other machines may join ([cluster.md](cluster.md)): an address of this machine, or \
                  `0.0.0.0` for all of them. They prove by a certificate that they have `run/access.json` of the results \
                  folder.",
        example: r#""0.0.0.0:7171""#,
    },
    Key {
        section: "workers",
        name: "deterministic",
        kind: Kind::Switch,
        default: Fallback::Is("false"),
        meaning: "Lets GPUs take only algorithms that add up in the same order each time: a trial repeated on the same \
                  model of GPU, driver and libtorch gives the same metrics to the bit. Slower. A CPU always does.",
        example: "true",
    },
    Key {
        section: "cache",
        name: "features",
        kind: Kind::Words(|| vec!["auto", "off"]),
        default: Fallback::Is(r#""auto""#),
        meaning: "`\"auto\"` computes the output of frozen layers once and keeps it where that saves more time than it \
                  costs (`frostline plan` shows the decisions); `\"off\"` never does.",
        example: r#""off""#,
    },
    Key {
        section: "cache",
        name: "max_bytes",
        kind: Kind::Bytes,
        default: Fallback::Is(r#""20 GB""#),
        meaning: "Space for cached features, those of earlier sweeps included, of which the least recently used go \
                  first; nine tenths of the free disk at most. The units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB.",
        example: r#""500 MiB""#,
    },
    Key {
        section: "keep",
        name: "models",
        kind: Kind::Words(|| vec!["best", "all", "none"]),
        default: Fallback::Is(r#""best""#),
        meaning: "`\"best\"` keeps the best of the sweep by its objective so far, `\"all\"` every model, `\"none\"` none.",
        example: r#""all""#,
    },
    Key {
        section: "keep",
        name: "count",
        kind: Kind::Whole { least: 1, most: 1_000_000 },
        default: Fallback::Is("5"),
        meaning: "With `\"best\"`: how many; and, where there are more, up to 20 that cannot be told from the best one.",
        example: "3",
    },
    Key {
        section: "keep",
        name: "max_bytes",
        kind: Kind::Bytes,
        default: Fallback::Is(r#""2 GB""#),
        meaning: "Space for the sweep's models together; the best come first. A model holds what differs from the \
                  pretrained network: up to 80 MB where every layer of EfficientNetV2-S trained, 2 MB where only the \
                  head did.",
        example: r#""500 MB""#,
    },
    Key {
        section: "slurm",
        name: "partition",
        kind: Kind::Text("the name of a partition"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--partition` of each worker's job.",
        example: r#""gpu""#,
    },
    Key {
        section: "slurm",
        name: "account",
        kind: Kind::Text("the name of an account"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--account`.",
        example: r#""vision""#,
    },
    Key {
        section: "slurm",
        name: "qos",
        kind: Kind::Text("the name of a quality of service"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--qos`.",
        example: r#""normal""#,
    },
    Key {
        section: "slurm",
        name: "constraint",
        kind: Kind::Text("features of nodes"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--constraint`: of nodes of one kind, metrics are the same to the bit.",
        example: r#""a100""#,
    },
    Key {
        section: "slurm",
        name: "gpus",
        kind: Kind::Text("GPUs as Slurm writes them"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--gpus` of each worker, which uses one. 1 where `workers.device` is `\"cuda\"`.",
        example: r#""a100:1""#,
    },
    Key {
        section: "slurm",
        name: "cpus",
        kind: Kind::Whole { least: 1, most: 1024 },
        default: Fallback::Follows("`workers.threads`"),
        meaning: "`--cpus-per-task` of each worker.",
        example: "8",
    },
    Key {
        section: "slurm",
        name: "memory",
        kind: Kind::Text("a size as Slurm writes it"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--mem` of each worker.",
        example: r#""16G""#,
    },
    Key {
        section: "slurm",
        name: "time",
        kind: Kind::Text("a time as Slurm writes it"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--time` of each worker. It leaves with a checkpoint before that, and another one goes on.",
        example: r#""4:00:00""#,
    },
    Key {
        section: "slurm",
        name: "folder",
        kind: Kind::Text("a folder"),
        default: Fallback::Follows("the results folder"),
        meaning: "A folder that the nodes see, for what lets workers in, their logs and checkpoints, where they do not see the \
                  results folder. Then no models are kept.",
        example: r#""/shared/me""#,
    },
    Key {
        section: "slurm",
        name: "max_jobs",
        kind: Kind::Whole { least: 1, most: 1024 },
        default: Fallback::Is("4"),
        meaning: "Workers at a time. Fewer are asked for where less is left to do.",
        example: "16",
    },
    Key {
        section: "slurm",
        name: "backlog",
        kind: Kind::Whole { least: 1, most: 64 },
        default: Fallback::Is("4"),
        meaning: "Jobs that wait in the queue at a time.",
        example: "2",
    },
    Key {
        section: "slurm",
        name: "options",
        kind: Kind::List {
            noun: "arguments of sbatch",
            of: &Kind::Text("an argument"),
            filled: false,
            distinct: false,
        },
        default: Fallback::Is("[]"),
        meaning: "Further arguments of `sbatch`.",
        example: r#"["--exclude=n7"]"#,
    },
    Key {
        section: "slurm",
        name: "prologue",
        kind: Kind::Text("lines of a shell"),
        default: Fallback::Follows("nothing"),
        meaning: "What a job does before its worker starts.",
        example: r#""module load cuda""#,
    },
    Key {
        section: "slurm",
        name: "poll",
        kind: Kind::seconds(1.0),
        default: Fallback::Is("30.0"),
        meaning: "Time between two looks at the queue.",
        example: "60",
    },
];
