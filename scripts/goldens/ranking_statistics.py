"""Records what SciPy and statsmodels compute of small samples; run by `record.py`."""

import itertools
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import integrate, optimize, stats
from statsmodels.stats import contingency_tables, multitest, proportion
from statsmodels.stats.anova import anova_lm

LIBRARIES = ("numpy", "pandas", "scipy", "statsmodels")
RANDOM = np.random.default_rng(20240613)


def main() -> None:
    folder = Path(sys.argv[1]) / "crates" / "ranking" / "tests" / "goldens"
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "versions": {library: version(library) for library in LIBRARIES},
        "means": means(),
        "wilson": wilson(),
        "unpaired": unpaired(),
        "paired": paired(),
        "crossed": crossed(),
        "seeds": seeds(),
        "holm": holm(),
        "pairs": pairs(),
        "critical": critical(),
        "effects": [balanced(), one_seed(), holes(), undetermined()],
    }
    (folder / "statistics.json").write_text(json.dumps(values, indent=1) + "\n")


def means() -> list:
    samples = [RANDOM.normal(0.8, 0.01, size).round(4) for size in (3, 5, 30)]
    interval = lambda sample: stats.t.interval(0.95, len(sample) - 1, np.mean(sample), stats.sem(sample))
    return [{"values": list(sample), "interval": list(interval(sample))} for sample in samples]


def wilson() -> list:
    counts = [(796, 1000), (774, 1000), (0, 50), (50, 50), (9631, 10000)]
    interval = lambda right, images: list(proportion.proportion_confint(right, images, method="wilson"))
    return [{"right": right, "images": images, "interval": interval(right, images)} for right, images in counts]


def unpaired() -> list:
    """Newcombe's interval for independent proportions: the one that a correlation of 0 gives."""
    counts = [(796, 774, 1000), (50, 48, 50), (9000, 9100, 10000)]
    interval = lambda one, other, n: list(proportion.confint_proportions_2indep(one, n, other, n, method="newcomb"))
    return [{"right": [one, other], "images": n, "interval": interval(one, other, n)} for one, other, n in counts]


def paired() -> list:
    """[both, only first, only second, none] right."""
    tables = [(730, 66, 44, 160), (14, 5, 0, 22), (36, 2, 12, 0), (10, 3, 9, 8), (9000, 120, 170, 710), (50, 0, 0, 0), (2, 12, 9, 2)]
    return [{"table": table, "p": mcnemar(table), "interval": newcombe(*table)} for table in tables]


def mcnemar(table) -> float:
    return float(contingency_tables.mcnemar(np.reshape(table, (2, 2)), exact=True).pvalue)


def newcombe(a, b, c, d) -> list:
    """Method 10 of Newcombe 1998 (Statistics in Medicine 17, 2635), on statsmodels' score intervals."""
    n = a + b + c + d
    one, other = (a + b) / n, (a + c) / n
    low_one, high_one = proportion.proportion_confint(a + b, n, method="wilson")
    low_other, high_other = proportion.proportion_confint(a + c, n, method="wilson")
    margins = np.sqrt(float(a + b) * (c + d) * (a + c) * (b + d))
    product = float(a * d - b * c)
    if product > n / 2:
        product -= n / 2
    elif product > 0:
        product = 0.0
    phi = product / margins if margins else 0.0
    below = np.sqrt((one - low_one) ** 2 - 2 * phi * (one - low_one) * (high_other - other) + (high_other - other) ** 2)
    above = np.sqrt((other - low_other) ** 2 - 2 * phi * (other - low_other) * (high_one - one) + (high_one - one) ** 2)
    return [float(one - other - below), float(one - other + above)]


def answers(seeds: int, difficulty: np.ndarray, ability: float) -> np.ndarray:
    return (ability + RANDOM.normal(0, 0.6, (seeds, 1)) + difficulty + RANDOM.logistic(size=(seeds, difficulty.size)) > 0).astype(int)


def crossed() -> list:
    """Images and seeds as random factors; mean squares from statsmodels' two-way analysis of variance."""
    cases = []
    for images, counts in ((80, (3, 3)), (80, (2, 4)), (120, (1, 3))):
        difficulty = RANDOM.normal(0, 2, images)
        tables = [answers(count, difficulty, ability) for count, ability in zip(counts, (1.5, 1.0))]
        between, residual, freedom = 0.0, 0.0, 0
        for table in tables:
            if len(table) < 2:
                continue
            seed, image = np.indices(table.shape)
            frame = pd.DataFrame({"y": table.ravel(), "seed": seed.ravel(), "image": image.ravel()})
            squares = anova_lm(smf.ols("y ~ C(seed) + C(image)", frame).fit())
            own = len(table) - 1
            between += own * squares.loc["C(seed)", "mean_sq"] / images
            residual += own * squares.loc["Residual", "mean_sq"]
            freedom += own
        between, residual = between / freedom, residual / freedom
        share = sum(1 / count for count in counts)
        of_images = np.var(tables[0].mean(0) - tables[1].mean(0), ddof=1) / images
        added = share * max(0.0, between - residual / images)
        square = of_images + added
        difference, error = tables[0].mean() - tables[1].mean(), np.sqrt(square)
        reached = lambda distance: tail(distance, of_images, share * between, share * residual / images, freedom)
        half = optimize.brentq(lambda distance: reached(distance) - 0.05, 0.1 * error, 50 * error, xtol=1e-13)
        low, high, p = difference - half, difference + half, reached(abs(difference))
        rows = [["".join(map(str, row)) for row in table] for table in tables]
        cases.append({"right": rows, "added": added, "error": error, "interval": [low, high], "p": p})
    return cases


def tail(distance, known, estimated, noise, freedom) -> float:
    """Of the generalized pivot: the normal tail, on average over what the chi square distribution makes of `estimated`."""
    chi = stats.chi2(freedom)
    of = lambda q: 2 * stats.norm.sf(distance / np.sqrt(known + max(0.0, estimated * freedom / chi.ppf(q) - noise)))
    # Where the maximum sets in, the integrand has a bend.
    bend = chi.cdf(freedom * estimated / noise)
    return sum(integrate.quad(of, *ends, epsabs=1e-12, epsrel=1e-10, limit=400)[0] for ends in ((0, bend), (bend, 1)))


def seeds() -> dict:
    one, other = RANDOM.normal(0.81, 0.01, 3).round(4), RANDOM.normal(0.79, 0.01, 5).round(4)
    result = stats.ttest_ind(one, other)
    interval = result.confidence_interval(0.95)
    return {"values": [list(one), list(other)], "p": result.pvalue, "interval": [interval.low, interval.high]}


def holm() -> dict:
    p = [0.01, 0.04, 0.03, 0.005, 0.9, 0.03]
    return {"p": p, "adjusted": list(multitest.multipletests(p, method="holm")[1])}


def pairs() -> dict:
    """Five configurations with each of two levels."""
    one, other = RANDOM.normal(0.78, 0.02, 5).round(4), RANDOM.normal(0.80, 0.02, 5).round(4)
    result = stats.ttest_rel(other, one)
    interval = result.confidence_interval(0.95)
    return {"values": [list(one), list(other)], "p": result.pvalue, "interval": [interval.low, interval.high]}


def critical() -> list:
    """With `seeds` each of `cells` configurations: how many standard errors of a difference the largest of chance is, of
    the others above one (Dunnett, one-sided), and between any two (Tukey), once in 1 / 0.045 times."""
    found = []
    for cells, count in ((3, 4), (5, 5), (8, 3)):
        freedom = cells * (count - 1)
        correlation = np.full((cells - 1, cells - 1), 0.5) + 0.5 * np.eye(cells - 1)
        above = lambda d: stats.multivariate_t.cdf(np.full(cells - 1, d), shape=correlation, df=freedom, random_state=1, maxpts=400_000)
        low, high = 1.0, 5.0
        for _ in range(25):
            middle = (low + high) / 2
            low, high = (middle, high) if above(middle) < 0.955 else (low, middle)
        tukey = stats.studentized_range.ppf(0.955, cells, freedom) / np.sqrt(2)
        found.append({"cells": cells, "seeds": count, "dunnett": round(low, 3), "tukey": round(tukey, 4)})
    return found


def values_of(levels) -> float:
    a, b, c = levels
    return 0.75 + 0.02 * a - 0.004 * a * b + 0.01 * b - 0.008 * (c == 1) + 0.006 * (a == 1) * (c == 0)


def frame(cells, counts) -> pd.DataFrame:
    rows = [(*cell, round(values_of(cell) + RANDOM.normal(0, 0.006), 4)) for cell, count in zip(cells, counts) for _ in range(count)]
    return pd.DataFrame(rows, columns=["a", "b", "c", "y"])


GRID = list(itertools.product(range(3), range(2), range(2)))
TERMS = ["a", "b", "c", "a:b", "a:c", "b:c"]


def formula(terms, whole=()) -> str:
    coded = lambda term: ":".join(f"C({name}, Sum)" for name in term.split(":"))
    return "y ~ " + " + ".join(["1", *map(coded, terms), *whole])


def effects_of(data: pd.DataFrame, name: str) -> dict:
    """Sums of squares by comparing models; every fit is statsmodels', its rank from a singular value decomposition."""
    fit = lambda terms: smf.ols(formula(terms), data).fit()
    cells = data.groupby(["a", "b", "c"])["y"]
    within = float(((data["y"] - cells.transform("mean")) ** 2).sum())
    seed_freedom = len(data) - cells.ngroups
    model = fit(TERMS)
    residual = within / seed_freedom if seed_freedom else model.ssr / model.df_resid
    freedom = seed_freedom or model.df_resid
    found = {"name": name, "trials": data.values.tolist(), "total": float(model.centered_tss), "within": within,
             "higher": float(model.ssr - within), "freedom": float(freedom), "variance": float(residual), "terms": {}}
    for term in TERMS:
        names = set(term.split(":"))
        others = [other for other in TERMS if not names <= set(other.split(":"))]
        smaller, larger = fit(others), fit([*others, term])
        degrees = smaller.df_resid - larger.df_resid
        squares = smaller.ssr - larger.ssr
        p = float(stats.f.sf(squares / degrees / residual, degrees, freedom)) if degrees else None
        found["terms"][term] = {"squares": float(squares), "freedom": float(degrees), "p": p, **main_effect(term, larger, residual, freedom)}
    return found


def main_effect(term, fitted, residual, freedom) -> dict:
    if ":" in term:
        return {}
    own = [name for name in fitted.params.index if name.startswith(f"C({term}, Sum)") and ":" not in name]
    places = [list(fitted.params.index).index(name) for name in own]
    contrasts = np.vstack([np.eye(len(own)), -np.ones(len(own))])
    covariance = np.asarray(fitted.normalized_cov_params)[np.ix_(places, places)] * residual
    effect = contrasts @ fitted.params.iloc[places]
    half = stats.t.ppf(0.975, freedom) * np.sqrt(np.diag(contrasts @ covariance @ contrasts.T))
    last = contrasts[-1] - contrasts[0]
    last_half = stats.t.ppf(0.975, freedom) * np.sqrt(last @ covariance @ last)
    last_value = float(last @ fitted.params.iloc[places])
    return {"levels": [[float(e), float(e - h), float(e + h)] for e, h in zip(effect, half)],
            "last_to_first": [last_value, float(last_value - last_half), float(last_value + last_half)]}


def balanced() -> dict:
    data = frame(GRID, [3] * len(GRID))
    found = effects_of(data, "balanced")
    # With the interaction of all three the residual is the seeds', and statsmodels' own table is the whole answer.
    table = anova_lm(smf.ols("y ~ C(a, Sum) * C(b, Sum) * C(c, Sum)", data).fit(), typ=2)
    for term in TERMS:
        row = table.loc[":".join(f"C({name}, Sum)" for name in term.split(":"))]
        assert np.isclose(row["sum_sq"], found["terms"][term]["squares"]) and np.isclose(row["PR(>F)"], found["terms"][term]["p"])
    return found


def one_seed() -> dict:
    return effects_of(frame(GRID, [1] * len(GRID)), "one seed")


def holes() -> dict:
    """Two cells missing, one to three seeds in the others."""
    cells = [cell for cell in GRID if cell not in ((0, 1, 1), (2, 0, 0))]
    return effects_of(frame(cells, [3, 1, 2, 2, 3, 1, 3, 2, 2, 1]), "holes")


def undetermined() -> dict:
    """The last level of `a` with the second of `b` is missing altogether: their interaction is not determined."""
    cells = [cell for cell in GRID if not (cell[0] == 2 and cell[1] == 1)]
    return effects_of(frame(cells, [2] * len(cells)), "undetermined")


main()
