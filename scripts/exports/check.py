#!/usr/bin/env python3
"""Holds what `frostline export` writes against the packages that read it, number by number.

    python3 scripts/exports/check.py FOLDER

FOLDER has the exports `tables` (every form of tables, each in a folder of its name), `logs` and `study` of one sweep, and
what `frostline` says of that sweep as JSON: `best.json` (`best --trials`), `groups.json` (`best`), `status.json`, and
`show/ID.json` for each trial. tests/cli/exports.rs makes it and calls this. The examples of docs/python.md are run there.
"""

import csv
import glob
import json
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import install

HERE = Path(__file__).resolve().parent
PACKAGES, OPTUNA4 = install.folders()
BY_CLASS = ["balanced_accuracy", "macro_f1", "top5_accuracy"]
METRICS = ["val_accuracy", "val_loss", "train_accuracy", "train_loss", "test_accuracy", "test_loss"]
METRICS += [f"{split}_{name}" for split in ["val", "test"] for name in BY_CLASS]
SWEEP = "cifar10-lite0"


def load(name):
    return json.loads(Path(name).read_text(encoding="utf-8"))


def same(found, wanted, what):
    both_none = isinstance(found, float) and isinstance(wanted, float) and math.isnan(found) and math.isnan(wanted)
    if not both_none and (found != wanted or isinstance(found, bool) != isinstance(wanted, bool)):
        sys.exit(f"{what}: {found!r}, not {wanted!r}")


def shown(value):
    """A hyperparameter as tables have it."""
    if isinstance(value, list):
        return "-".join(str(item) for item in value) or "none"
    return value


def expected_trials():
    """The table of trials as far as other commands say the same, in its order."""
    best = {row["trial"]: row for row in load("best.json")}
    groups = {row["group"]: row for row in load("groups.json")}
    rows = []
    for status in load("status.json")["trials"]:
        detail = load(f"show/{status['trial']}.json")
        ranked, attempt = best.get(status["trial"]), shown_attempt(detail)
        row = {"sweep": SWEEP, "trial": status["trial"], "group": status["group"], "state": status["state"]}
        row["rank"] = ranked and ranked["rank"]
        row["group_rank"] = ranked and groups[status["group"]]["rank"]
        row["objective"] = ranked and ranked["objective"]
        row.update({name: ranked and ranked["metrics"][name] for name in [*METRICS, "seconds"]})
        row.update({name: shown(value) for name, value in detail["parameters"].items()})
        row["trained_parameters"] = ranked and detail["evaluation"]["trained_parameters"]
        row["validation_images"] = ranked and detail["evaluation"]["validation_images"]
        row.update(attempts=status["attempts"], epoch=status["epoch"])
        row.update(attempt=attempt["attempt"], worker=attempt["worker"], device=attempt["build"]["device"])
        row.update(started_at=attempt["started_at"], ended_at=attempt["ended_at"])
        failure = status["failure"] or {"kind": None, "message": None}
        row.update(failure_kind=failure["kind"], failure_message=failure["message"])
        rows.append(row)
    return rows


def shown_attempt(detail):
    accepted = [attempt for attempt in detail["attempts"] if attempt["outcome"] == "complete"]
    return (accepted or detail["attempts"])[-1]


def expected_epochs():
    rows = []
    for status in load("status.json")["trials"]:
        detail = load(f"show/{status['trial']}.json")
        attempt = shown_attempt(detail)
        for epoch in detail["epochs"]:
            about = {"trial": detail["trial"], "group": detail["group"], "attempt": attempt["attempt"]}
            by_class = epoch.pop("by_class")
            epoch.update({f"val_{name}": by_class[name] for name in BY_CLASS})
            rows.append({**about, "accepted": attempt["outcome"] == "complete", **epoch})
    return rows


def columns(table):
    """Names and types by docs/python.md."""
    text = (HERE.parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
    section = text.split(f"\n### {table}\n")[1].split("\n### ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE))


def compare(rows, expected, what):
    same(len(rows), len(expected), f"{what}: rows")
    for place, (row, wanted) in enumerate(zip(rows, expected)):
        for name, value in wanted.items():
            same(row[name], value, f"{what}, row {place}, {name}")


def check_tables(table, expected):
    types = columns(table)
    read = {
        "integer": int,
        "number": float,
        "text": str,
        "boolean": lambda text: {"true": True, "false": False}[text],
    }
    with open(f"tables/csv/{table}.csv", newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        same(rows.fieldnames, list(types), f"{table}.csv: header")
        typed = [{name: read[types[name]](cell) if cell else None for name, cell in row.items()} for row in rows]
    compare(typed, expected, f"{table}.csv")

    with open(f"tables/json/{table}.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    same([list(row) for row in rows], [list(types)] * len(rows), f"{table}.jsonl: keys")
    compare(rows, expected, f"{table}.jsonl")

    import pandas
    import pyarrow.parquet

    arrow = pyarrow.parquet.read_table(f"tables/parquet/{table}.parquet")
    names = {"integer": "int64", "number": "double", "text": "string", "boolean": "bool"}
    found = {field.name: str(field.type) for field in arrow.schema}
    same(found, {name: names[kind] for name, kind in types.items()}, f"{table}.parquet: schema")
    compare(arrow.to_pylist(), expected, f"{table}.parquet")

    # What pandas itself makes of the three forms: nothing is there, or the same value. Text that looks like a number has
    # to be named to it.
    text = {name: str for name, kind in types.items() if kind == "text"}
    forms = {
        "parquet": pandas.read_parquet(f"tables/parquet/{table}.parquet"),
        "csv": pandas.read_csv(f"tables/csv/{table}.csv", dtype=text),
        "json": pandas.read_json(f"tables/json/{table}.jsonl", lines=True, precise_float=True, dtype=False),
    }
    for form, frame in forms.items():
        for place, wanted in enumerate(expected):
            for name, value in wanted.items():
                found = frame[name].iloc[place]
                if value is None:
                    same(bool(pandas.isna(found)), True, f"pandas, {form}, row {place}, {name} is null")
                elif form != "json" or not isinstance(value, float):
                    same(bool(found == value), True, f"pandas, {form}, row {place}, {name}: {found!r}, {value!r}")
                else:
                    same(math.isclose(found, value, rel_tol=1e-12), True, f"pandas, json, row {place}, {name}")


def single(number):
    """As TensorBoard keeps it."""
    import numpy

    return float(numpy.float32(number))


def check_curves(trials):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    same(sorted(os.listdir("logs"))[:-2], sorted(row["trial"] for row in trials), "folders of trials")
    for row in trials:
        run = EventAccumulator(f"logs/{row['trial']}").Reload()
        epochs = load(f"show/{row['trial']}.json")["epochs"]
        for epoch in epochs:
            by_class = epoch.pop("by_class")
            epoch.update({f"val_{name}": by_class[name] for name in BY_CLASS})
        tags = ["val_accuracy", "val_loss", "train_accuracy", "train_loss", "learning_rate", "seconds"]
        for tag in tags + [f"val_{name}" for name in BY_CLASS]:
            found = [(point.step, point.value) for point in run.Scalars(tag)] if epochs else []
            same(found, [(epoch["epoch"], single(epoch[tag])) for epoch in epochs], f"TensorBoard, {tag}")
        for tag in ["test_accuracy", "test_loss", *[f"test_{name}" for name in BY_CLASS]]:
            if row[tag] is not None:
                same([point.value for point in run.Scalars(tag)], [single(row[tag])], f"TensorBoard, {tag}")


def ask(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return json.load(answer)


def check_hparams(trials):
    """What TensorBoard's own server answers its own page."""
    from tensorboard import default, program

    board = program.TensorBoard(default.get_plugins())
    board.configure(argv=["tensorboard", "--logdir", "logs", "--port", "0", "--load_fast", "false"])
    url = board.launch() + "data/plugin/hparams/"
    varying = ["frozen_layers", "learning_rate"]
    statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    request = {"experimentName": "", "allowedStatuses": statuses, "sliceSize": 1000, "startIndex": 0}
    request["colParams"] = [{"metric": {"group": "", "tag": tag}} for tag in METRICS]
    groups = {}
    for _ in range(600):
        # It reads its files in a thread of its own.
        answer = ask(url + "session_groups", request)
        groups = {group["name"]: group for group in answer.get("sessionGroups", [])}
        points = [len(it.get("metricValues", [])) for group in groups.values() for it in group["sessions"]]
        wanted = [len(METRICS) if row["rank"] else 0 for row in trials]
        if sorted(points) == sorted(wanted):
            break
        time.sleep(0.1)
    same(set(groups), {row["group"] for row in trials}, "TensorBoard, session groups")
    for name, group in groups.items():
        members = {row["trial"]: row for row in trials if row["group"] == name}
        same({it["name"] for it in group["sessions"]}, set(members), "TensorBoard, sessions")
        first = next(iter(members.values()))
        same(group["hparams"], {key: first[key] for key in varying}, "TensorBoard, hyperparameters")
        for session in group["sessions"]:
            row = members[session["name"]]
            status = "STATUS_SUCCESS" if row["state"] == "complete" else "STATUS_FAILURE"
            same(session["status"], status, "TensorBoard, status")
            values = {it["name"]["tag"]: it["value"] for it in session.get("metricValues", [])}
            wanted = {tag: single(row[tag]) for tag in METRICS if row[tag] is not None}
            same(values, wanted, "TensorBoard, metrics")
        complete = [row["val_accuracy"] for row in members.values() if row["state"] == "complete"]
        for value in group.get("metricValues", []) if complete else []:
            if value["name"]["tag"] == "val_accuracy":
                mean = sum(single(number) for number in complete) / len(complete)
                same(math.isclose(value["value"], mean, rel_tol=1e-6), True, "TensorBoard, mean over seeds")
    experiment = ask(url + "experiment", {"experimentName": ""})
    domains = {info["name"]: sorted(info["domainDiscrete"]) for info in experiment["hparamInfos"]}
    same(domains, {key: sorted({row[key] for row in trials}) for key in varying}, "TensorBoard, domains")


def check_optuna(trials):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # What an installed Optuna makes for itself are the tables of the export.
    optuna.create_study(storage="sqlite:///fresh.db")
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
    own, ours = ([(*row[:3], row[3].split()) for row in sqlite3.connect(it).execute(schema)] for it in OPTUNA_FILES)
    same(ours, own, "Optuna's tables")
    version = "SELECT schema_version FROM version_info UNION ALL SELECT version_num FROM alembic_version"
    own, ours = (sqlite3.connect(file).execute(version).fetchall() for file in OPTUNA_FILES)
    same(ours, own, "Optuna's version of its tables")
    shutil.copy("study/optuna.db", "copy.db")
    storage = "sqlite:///copy.db"
    names = [SWEEP, f"{SWEEP}: val_accuracy and seconds"]
    same(sorted(optuna.get_all_study_names(storage)), names, "Optuna, studies")
    study, pareto = (optuna.load_study(storage=storage, study_name=name) for name in names)
    same([study.metric_names, pareto.metric_names], [["val_accuracy"], ["val_accuracy", "seconds"]], "Optuna, names")
    same([it.name for it in pareto.directions], ["MAXIMIZE", "MINIMIZE"], "Optuna, directions")
    same(len(study.trials), len(trials), "Optuna, trials")
    for number, (row, trial, twin) in enumerate(zip(trials, study.trials, pareto.trials)):
        what = f"Optuna, trial {number}"
        complete = row["state"] == "complete"
        same([trial.state.name, trial.number], ["COMPLETE" if complete else "FAIL", number], what)
        same(trial.values, [row["val_accuracy"]] if complete else None, what)
        same(twin.values, [row["val_accuracy"], row["seconds"]] if complete else None, what)
        same(trial.params, {name: row[name] for name in ["frozen_layers", "learning_rate"]}, what)
        same(twin.params, trial.params, what)
        epochs = load(f"show/{row['trial']}.json")["epochs"]
        same(trial.intermediate_values, {it["epoch"]: it["val_accuracy"] for it in epochs}, what)
        attributes = ["trial", "group", "seed", "attempts"]
        attributes += ["rank", "seconds", *METRICS] if complete else ["failure_kind", "failure_message"]
        same(trial.user_attrs, {name: row[name] for name in attributes}, what)
        for found, wanted in [(trial.datetime_start, row["started_at"]), (trial.datetime_complete, row["ended_at"])]:
            seconds = (found - type(found)(1970, 1, 1)).total_seconds()
            same(abs(seconds - wanted) < 1e-5, True, f"{what}: {found} is {wanted}")
    best = max(row["val_accuracy"] for row in trials if row["state"] == "complete")
    same(study.best_value, best, "Optuna, best")
    front = {trial.user_attrs["trial"] for trial in pareto.best_trials}
    done = [row for row in trials if row["state"] == "complete"]
    beats = lambda one, other: one["val_accuracy"] >= other["val_accuracy"] and one["seconds"] <= other["seconds"]
    alike = lambda one, other: beats(one, other) and beats(other, one)
    wanted = {
        row["trial"] for row in done if not any(beats(other, row) and not alike(other, row) for other in done)
    }
    same(front, wanted, "Optuna, Pareto front")

    def objective(trial):
        distributions = study.best_trial.distributions
        depths, rates = distributions["frozen_layers"], distributions["learning_rate"]
        trial.suggest_float("learning_rate", rates.low, rates.high, log=rates.log)
        return trial.suggest_int("frozen_layers", depths.low, depths.high, step=depths.step) / 1000

    study.optimize(objective, n_trials=2)
    same(len(study.trials), len(trials) + 2, f"Optuna {optuna.__version__}, trials after going on")
    os.remove("copy.db")
    os.remove("fresh.db")
    print(f"optuna {optuna.__version__}: {len(trials)} trials in two studies, and it goes on")


OPTUNA_FILES = ["fresh.db", "study/optuna.db"]


def run_examples():
    """As docs/python.md has them, in a copy, since one of them goes on with the study."""
    text = (HERE.parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
    shutil.copytree(".", "examples", ignore=shutil.ignore_patterns("results", "cache", "examples", "sockets"))
    for file in glob.glob("tables/parquet/*"):
        shutil.copy(file, "examples/tables")
    for heading in ["pandas", "TensorBoard", "Optuna"]:
        code = text.split(f"\n## {heading}\n")[1].split("```python\n")[1].split("```")[0]
        subprocess.run([sys.executable, "-c", code], cwd="examples", check=True, stdout=subprocess.DEVNULL)


def main():
    if missing := [str(folder) for folder in (PACKAGES, OPTUNA4) if not folder.exists()]:
        print(f"not installed: {', '.join(missing)}; python3 {HERE / 'install.py'} does it")
        sys.exit(99)
    older = os.environ.get("FROSTLINE_OLDER_OPTUNA")
    if "FROSTLINE_CHECKING" not in os.environ:
        # Once more with the packages.
        environment = {**os.environ, "FROSTLINE_CHECKING": "1", "PYTHONPATH": str(PACKAGES), "PYTHONNOUSERSITE": "1"}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=environment).returncode)
    os.chdir(sys.argv[1])
    trials = expected_trials()
    if older:
        return check_optuna(trials)
    same({row["state"] for row in trials}, {"complete", "failed"}, "a sweep with both")
    check_tables("trials", trials)
    check_tables("epochs", expected_epochs())
    check_curves(trials)
    check_hparams(trials)
    check_optuna(trials)
    path = os.pathsep.join([str(OPTUNA4), str(PACKAGES)])
    environment = {**os.environ, "FROSTLINE_OLDER_OPTUNA": "1", "PYTHONPATH": path}
    subprocess.run([sys.executable, __file__, "."], env=environment, check=True)
    run_examples()
    print(f"{len(trials)} trials read by csv, json, pandas, pyarrow, TensorBoard and Optuna, number by number")
    # TensorBoard's server has threads that don't end.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
