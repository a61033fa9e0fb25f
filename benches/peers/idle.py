"""Do-nothing trials with 10 reports each: what the bookkeeping alone costs.

    python idle.py optuna|ray|keras-tuner TRIALS

Prints one JSON object with the milliseconds of a trial.
"""

import json
import os
import sys
import tempfile
import time

REPORTS = 10


def with_optuna(trials, folder):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        trial.suggest_categorical("x", list(range(trials)))
        for step in range(REPORTS):
            trial.report(step / REPORTS, step)
        return 0.5

    sampler = optuna.samplers.GridSampler({"x": list(range(trials))}, seed=0)
    study = optuna.create_study(storage=f"sqlite:///{folder}/optuna.db", sampler=sampler)
    started = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    return time.perf_counter() - started


def with_ray(trials, folder):
    import ray
    from ray import tune

    def objective(config):
        for step in range(REPORTS):
            tune.report({"score": step / REPORTS})

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    tuner = tune.Tuner(
        objective,
        param_space={"x": tune.grid_search(list(range(trials)))},
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    )
    started = time.perf_counter()
    tuner.fit()
    taken = time.perf_counter() - started
    ray.shutdown()
    return taken


def with_keras_tuner(trials, folder):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras_tuner

    class Idle(keras_tuner.Tuner):
        def run_trial(self, trial, **_):
            for step in range(REPORTS):
                self.oracle.update_trial(trial.trial_id, {"score": step / REPORTS}, step=step)
            return 0.5

    def build(hyperparameters):
        hyperparameters.Choice("x", list(range(trials)))

    oracle = keras_tuner.oracles.GridSearchOracle(objective=keras_tuner.Objective("score", "max"), max_trials=trials)
    tuner = Idle(oracle=oracle, hypermodel=build, directory=folder, project_name="idle", overwrite=True)
    started = time.perf_counter()
    tuner.search(verbose=0)
    return time.perf_counter() - started


def main():
    name, trials = sys.argv[1], int(sys.argv[2])
    run = {"optuna": with_optuna, "ray": with_ray, "keras-tuner": with_keras_tuner}[name]
    with tempfile.TemporaryDirectory() as folder:
        seconds = run(trials, folder)
    print(json.dumps({"tool": name, "trials": trials, "milliseconds": 1000 * seconds / trials}))


if __name__ == "__main__":
    main()
