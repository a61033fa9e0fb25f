#!/usr/bin/env bash
# Records what a version of Slurm says to the commands that Frostline gives it, of jobs in each state that three virtual nodes on
# one machine can bring about.
#
#   record.sh > VERSION.txt     # about five minutes
#
# Needs root, Debian's slurmctld, slurmd, slurm-client and munge, and a host of its own (a container, or a chroot with /proc and
# /dev, in namespaces for processes and the host's name), whose processes all end with it.
set -uo pipefail
cd /
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir "$dir"/{run,log,state,spool} "$dir"/spool/n{1,2,3}
head -c 128 /dev/urandom >"$dir/munge.key"
chmod 400 "$dir/munge.key"
cat >"$dir/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=localhost
SlurmctldPort=17817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.sock
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
SchedulerParameters=bf_interval=5,sched_interval=5,sched_min_interval=100000
ReturnToService=2
KillWait=10
MinJobAge=3600
MessageTimeout=5
SlurmdTimeout=15
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17818 CPUs=2 RealMemory=2000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17819 CPUs=2 RealMemory=2000
NodeName=n3 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17820 CPUs=2 RealMemory=2000
PartitionName=low Nodes=n[1-3] Default=YES DefMemPerCPU=500 PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=n[1-3] DefMemPerCPU=500 PriorityTier=10 PreemptMode=OFF
PartitionName=short Nodes=n[1-3] MaxTime=10 PriorityTier=1 PreemptMode=OFF
CONF
# What machines without systemd need since 23.02.
[[ $(slurmctld -V) =~ " 2"[3-9] ]] && echo "CgroupPlugin=disabled" >"$dir/cgroup.conf"
export SLURM_CONF=$dir/slurm.conf
munged --force --key-file="$dir/munge.key" --socket="$dir/run/munge.sock" --pid-file="$dir/run/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/state/munge.seed" 2>/dev/null
slurmctld -c
for node in n1 n2 n3; do slurmd -N $node; done

# Looks twice a second until a command succeeds, for two and a half minutes.
until_() {
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.5
    done
    echo "this never came true: $*; see $dir/log" >&2
    tail -n 5 "$dir"/log/* >&2
    exit 1
}
are_idle() { [ "$(sinfo --noheader --states=idle --format=%D | head -1)" = 3 ]; }
until_ are_idle

# What a command prints and returns.
ask() {
    printf '$'
    printf ' %q' "$@"
    printf '\n'
    timeout 60 "$@" >"$dir/out" 2>"$dir/err" </dev/null
    local code=$?
    sed "s|$dir|DIR|g; s/^/out /" "$dir/out"
    sed "s|$dir|DIR|g; s/^/err /" "$dir/err"
    echo "exit $code"
}
LIST=(squeue --me --noheader -o '%A %T %j')
# The list, and what is known of one job: `job NUMBER SITUATION`. Its place is its number here.
job() {
    echo "## job $1: $2"
    ask "${LIST[@]}"
    ask scontrol -o show job "${id[$1]}"
}
# Asks for a worker's job: `submit NUMBER SCRIPT ARGUMENTS...`.
declare -A id
submit() {
    local number=$1 script=$2
    shift 2
    id[$number]=$(printf '#!/bin/sh\n%s\n' "$script" | sbatch --parsable "--job-name=frostline-0a1b2c3d-$number-1" --no-requeue \
        --ntasks=1 --cpus-per-task=1 --signal=B:USR2@120 --output=/dev/null --open-mode=append --mem=100M "$@")
}
# What Slurm says of a job under this key.
key() { scontrol -o show job "${id[$1]}" | tr ' ' '\n' | sed -n "s/^$2=//p"; }
is() { [ "$(key "$1" "$2")" = "$3" ]; }
SLEEP='exec sleep 600'

echo "# $(slurmctld -V)"
submit 1 'trap "" USR2; exec sleep 600' --partition=high --nodelist=n3 --time=1
submit 2 "$SLEEP" --partition=high --nodelist=n1
until_ is 1 JobState RUNNING
until_ is 2 JobState RUNNING
job 2 "runs"
echo "## time left of job 1, which has a limit"
ask squeue --noheader --jobs "${id[1]}" -o %L
echo "## time left of job 2, which has none"
ask squeue --noheader --jobs "${id[2]}" -o %L
scontrol suspend "${id[2]}"
until_ is 2 JobState SUSPENDED
job 2 "is suspended"
scontrol resume "${id[2]}"

submit 3 'exit 3'
until_ is 3 JobState FAILED
job 3 "returned 3"
submit 4 'kill -KILL $$'
until_ is 4 JobState FAILED
job 4 "was killed by signal 9"
submit 5 "env | grep -E '^SLURM_(JOB_ID|JOB_END_TIME|RESTART_COUNT)=' | sed 's/=.*//' | sort > $dir/variables" --time=60
until_ is 5 JobState COMPLETED
job 5 "is complete"
echo "## variables of a job"
ask cat "$dir/variables" | sed "s|$dir|DIR|"

submit 6 "$SLEEP" --hold
submit 7 "$SLEEP" --begin=now+1hour
submit 8 "$SLEEP" "--dependency=afterok:${id[2]}"
submit 9 "$SLEEP" "--dependency=afterok:${id[3]}"
submit 10 "$SLEEP" --partition=high --nodelist=n1 --exclusive
submit 11 "$SLEEP" --partition=high --nodelist=n1 --exclusive
submit 12 "$SLEEP" --partition=short --time=60
until_ is 10 Reason Resources
is_said() { ! is "$1" Reason None; }
until_ is_said 11
until_ is 9 Reason DependencyNeverSatisfied
job 6 "waits: held"
job 7 "waits: begins later"
job 8 "waits: for another job"
job 9 "waits: for a job that failed"
job 10 "waits: for room"
job 11 "waits: behind another"
job 12 "waits: longer than its partition allows"
echo "## time left of job 6, which waits"
ask squeue --noheader --jobs "${id[6]}" -o %L
for number in 7 8 9 10 11 12; do scancel "${id[$number]}"; done
echo "## a job that waits is cancelled"
ask scancel "${id[6]}"
until_ is 6 JobState CANCELLED
job 6 "was cancelled while it waited"

submit 13 'trap "" TERM; while :; do sleep 1; done' --nodelist=n2
until_ is 13 JobState RUNNING
echo "## a job that runs is cancelled"
ask scancel "${id[13]}"
until_ is 13 JobState COMPLETING
job 13 "was cancelled and still ends"
listed() { squeue --noheader -o %A | grep -qx "${id[$1]}"; }
is_gone() { ! listed "$1"; }
until_ is_gone 13
job 13 "was cancelled while it ran"

submit 14 "$SLEEP" --nodelist=n2
submit 15 "$SLEEP" --nodelist=n2 --requeue
until_ is 14 JobState RUNNING
until_ is 15 JobState RUNNING
submit 16 "$SLEEP" --partition=high --nodelist=n2 --exclusive
until_ is 16 JobState RUNNING
job 14 "had to give way"
job 15 "had to give way, and is put back"
scancel "${id[15]}" "${id[16]}"

submit 17 'trap "" TERM; while :; do sleep 1; done' --nodelist=n2 --requeue
submit 18 "$SLEEP" --nodelist=n2
until_ is 17 JobState RUNNING
until_ is 18 JobState RUNNING
echo "## a job that may not come back is put back"
ask scontrol requeue "${id[18]}"
echo "## a job is put back"
ask scontrol requeue "${id[17]}"
until_ is 17 JobState COMPLETING
job 17 "is put back and still ends"
until_ is 17 JobState PENDING
job 17 "is put back"
scancel "${id[17]}" "${id[18]}"
submit 19 "$SLEEP" --nodelist=n2 --requeue
submit 20 "$SLEEP" --nodelist=n2 --requeue
until_ is 19 JobState RUNNING
until_ is 20 JobState RUNNING
scontrol requeuehold "${id[19]}"
scontrol requeuehold State=SpecialExit "${id[20]}"
is_put_back() { [ "$(key "$1" Reason)" != None ] && ! is "$1" JobState COMPLETING; }
until_ is_put_back 19
until_ is_put_back 20
job 19 "is put back and held"
job 20 "is put back as a special exit"
scancel "${id[19]}" "${id[20]}"

submit 21 "$SLEEP" --nodelist=n2
submit 22 "$SLEEP" --nodelist=n2 --requeue
until_ is 21 JobState RUNNING
until_ is 22 JobState RUNNING
kill -KILL "$(cat "$dir/run/slurmd-n2.pid")"
job 21 "runs on a node that is about to be missed"
until_ is 21 JobState NODE_FAIL
until_ is 22 Restarts 1
job 21 "lost its node"
job 22 "lost its node, and is put back"
scancel "${id[22]}"
submit 23 "$SLEEP" --nodelist=n2
until_ is 23 JobState PENDING
until_ is_said 23
job 23 "waits: for a node that is down"
scancel "${id[23]}"

until_ is 1 JobState TIMEOUT
job 1 "ran out of time"
echo "## time left of job 1, which is over"
ask squeue --noheader --jobs "${id[1]}" -o %L

echo "## a job would be taken"
ask sbatch --test-only --parsable --ntasks=1 --wrap=true
echo "## a job is taken"
ask sbatch --parsable --ntasks=1 --output=/dev/null --wrap=true
try() {
    ask sbatch --test-only --parsable --ntasks=1 "$1" --wrap=true
    ask sbatch --parsable --ntasks=1 --output=/dev/null "$1" --wrap=true
}
for wrong in --partition=nosuch --nosuch=1 --constraint=nosuch --gpus=1 --mem=900G --time=soon; do
    echo "## a job is refused: $wrong"
    try $wrong
done
echo "## no node has what a job wants, and one is down"
try --cpus-per-task=99
everything() {
    ask "${LIST[@]}"
    ask sbatch --parsable --ntasks=1 --output=/dev/null --wrap=true
    ask sbatch --test-only --parsable --ntasks=1 --wrap=true
    ask scontrol -o show job "$1"
    ask scontrol requeue "$1"
    ask scancel "$1"
    ask squeue --noheader --jobs "$1" -o %L
}
echo "## a job that there never was"
ask scontrol -o show job 999999
ask scontrol requeue 999999
ask scancel 999999
ask squeue --noheader --jobs 999999 -o %L
scancel --user="$(id -un)"
is_empty() { [ -z "$(squeue --noheader)" ]; }
until_ is_empty
echo "## no job is left"
ask "${LIST[@]}"
controller=$(cat "$dir/run/slurmctld.pid")
kill -STOP "$controller"
echo "## the controller does not answer"
everything "${id[2]}"
kill -CONT "$controller"
kill -KILL "$(cat "$dir/run/munged.pid")"
echo "## nobody can prove who they are"
ask "${LIST[@]}"
ask sbatch --parsable --ntasks=1 --output=/dev/null --wrap=true
kill -KILL "$controller"
munged --force --key-file="$dir/munge.key" --socket="$dir/run/munge.sock" --pid-file="$dir/run/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/state/munge.seed" 2>/dev/null
echo "## there is no controller"
everything "${id[2]}"
