#!/usr/bin/python3
"""sklearn_check.py: the figures of verification and calibration beside scikit-learn's, on random scores, ties and
degenerate sets.

    sklearn_check.py FIGURES        the program made of figures.c

Exits with 77 (skipped) where scikit-learn is not installed.
"""
import subprocess
import sys

try:
    import numpy as np
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, roc_curve
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

FAR_LEVELS = [1e-1, 1e-2, 1e-3, 1e-4]


def figures_of(program, fold, same, score):
    """What the program says: a dict of numbers, with arrays `roc` and `bin`."""
    lines = "".join(f"{f} {y} {s:.9g}\n" for f, y, s in zip(fold, same, score))
    run = subprocess.run([program], input=lines, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    figures = {"roc": [], "bin": []}
    for line in run.stdout.splitlines():
        name, *values = line.split()
        if name in ("roc", "bin"):
            figures[name].append([float(v) for v in values])
        else:
            figures[name] = float(values[0])
    figures["roc"] = np.array(figures["roc"])
    figures["bin"] = np.array(figures["bin"])
    return figures


def close(what, got, want, tolerance=1e-9):
    if np.isnan(want) and np.isnan(got):
        return
    if not abs(got - want) <= tolerance * max(1, abs(want)):
        raise AssertionError(f"{what}: got {got:.12g}, scikit-learn has {want:.12g}")


def check_roc(figures, same, score):
    """Every point of scikit-learn's ROC lies on ours, whose points are all among them."""
    far, tar, threshold = roc_curve(same, score, drop_intermediate=False)
    ours = figures["roc"]
    for t, x, y in ours[1:]:
        at = np.flatnonzero(threshold == t)
        assert len(at) == 1, f"no point of threshold {t}"
        close("FAR", x, far[at[0]])
        close("TAR", y, tar[at[0]])
    for t, x, y in zip(threshold[1:], far[1:], tar[1:]):
        last = np.flatnonzero(ours[:, 0] >= t)[-1]
        _, x0, y0 = ours[last]
        _, x1, y1 = ours[min(last + 1, len(ours) - 1)]
        close("off the curve by", (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0), 0)
        assert x0 - 1e-12 <= x <= x1 + 1e-12 and y0 - 1e-12 <= y <= y1 + 1e-12
    turns = np.diff(ours[:, 1])[:-1] * np.diff(ours[:, 2])[1:] - np.diff(ours[:, 1])[1:] * np.diff(ours[:, 2])[:-1]
    assert np.all(np.abs(turns) > 1e-15), "a point on a straight run"

    close("AUC", figures["auc"], roc_auc_score(same, score))
    passed = np.flatnonzero(far + tar >= 1)[0]
    before, here = far[passed - 1] + tar[passed - 1] - 1, far[passed] + tar[passed] - 1
    close("EER", figures["eer"], far[passed - 1] + (far[passed] - far[passed - 1]) * before / (before - here))
    for i, level in enumerate(FAR_LEVELS):
        enough = np.sum(same == 0) >= round(1 / level)
        at = np.flatnonzero(far <= level)[-1]
        close("TAR at FAR", figures[f"tar_{i}"], tar[at] if enough else np.nan)
        if at > 0:  # scikit-learn's first threshold is infinite
            close("threshold at FAR", figures[f"threshold_{i}"], threshold[at] if enough else np.nan)


def best_correct(same, score):
    far, tar, _ = roc_curve(same, score, drop_intermediate=False)
    return np.max(tar * np.sum(same == 1) + (1 - far) * np.sum(same == 0))


def check_accuracy(figures, fold, same, score):
    close("correct at the threshold", accuracy_score(same, score >= figures["threshold"]),
          best_correct(same, score) / len(same))
    if len(set(fold)) == 1:
        close("accuracy", figures["accuracy"], best_correct(same, score) / len(same))
        assert np.isnan(figures["accuracy_se"])


def fit_sigmoid(same, score):
    """Platt's targets: each pair is a little of the other label. Both labels weigh the same."""
    count = np.bincount(same, minlength=2)
    target = np.where(same == 1, (count[1] + 1) / (count[1] + 2), 1 / (count[0] + 2))
    weight = 0.5 / count[same] * len(same)  # a mean of one, for the solver's sake
    scale = score.std()
    x = np.concatenate([score, score])[:, None] / scale
    y = np.concatenate([np.ones_like(same), np.zeros_like(same)])
    fit = LogisticRegression(penalty=None, solver="newton-cholesky", tol=1e-13, max_iter=500)
    fit.fit(x, y, sample_weight=np.concatenate([weight * target, weight * (1 - target)]))
    return fit.coef_[0, 0] / scale, fit.intercept_[0]


def check_calibration(figures, fold, same, score):
    weight = 0.5 / np.bincount(same)[same]
    if score.std() > 0:
        slope, intercept = fit_sigmoid(same, score)
        close("slope", figures["slope"], slope, 1e-5)
        close("intercept", figures["intercept"], intercept, 1e-5)
        told = np.empty_like(score)
        for f in set(fold):
            here = fold == f
            there = ~here if len(set(fold)) > 1 else here
            a, b = fit_sigmoid(same[there], score[there])
            told[here] = 1 / (1 + np.exp(-(a * score[here] + b)))
        close("Cllr", figures["cllr"], log_loss(same, told, sample_weight=weight) / np.log(2), 1e-5)
        pairs = figures["bin"][:, 0]
        assert pairs.sum() == len(same)
        # A probability on the border of two bins, as 1/2 where scores tell nothing, falls to either side of it.
        if np.min(np.abs(told * 10 - np.round(told * 10))) > 1e-6:
            close("mean probability", np.nansum(figures["bin"][:, 1] * bin_weights(told, weight)), np.sum(told * weight), 1e-5)
            close("mean of same", np.nansum(figures["bin"][:, 2] * bin_weights(told, weight)), 0.5, 1e-5)
    best = IsotonicRegression(y_min=0, y_max=1).fit_transform(score, same, sample_weight=weight)
    close("Cllr_min", figures["cllr_min"], log_loss(same, best, sample_weight=weight, eps=1e-15) / np.log(2), 1e-7)


def bin_weights(told, weight):
    return np.bincount(np.minimum(9, (told * 10).astype(int)), weights=weight, minlength=10)


def check(program, fold, same, score):
    score = np.asarray(score, dtype=np.float32).astype(np.float64)
    fold, same = np.asarray(fold), np.asarray(same)
    figures = figures_of(program, fold, same, score)
    assert figures["pairs"] == len(same) and figures["same"] == same.sum()
    check_roc(figures, same, score)
    check_accuracy(figures, fold, same, score)
    check_calibration(figures, fold, same, score)


def random_sets(random):
    for i in range(60):
        n = int(random.integers(20, 3000))
        same = (random.random(n) < random.choice([0.5, 0.1, 0.9])).astype(int)
        same[:8] = [0, 1] * 4  # whatever the folds, each has both
        score = random.normal(0, 0.2, n) + same * random.choice([-0.1, 0, 0.2, 0.5])
        levels = random.choice([0, 3, 10, 100])
        if levels:
            score = np.round(score * levels) / levels
        folds = int(random.choice([1, 1, 2, 4]))
        yield f"random set {i}", np.arange(n) // 2 % folds, same, score
    n = 40000
    same = (random.random(n) < 0.2).astype(int)
    yield "enough for FAR 1e-4", np.zeros(n, int), same, random.normal(0, 0.2, n) + 0.4 * same


def degenerate_sets():
    n = 200
    half = np.arange(n) % 2
    one = np.zeros(n, int)
    yield "all scores equal", one, half, np.full(n, 0.25)
    yield "two scores", one, half, np.arange(n) // 2 % 2
    yield "one same pair, on top", one, (np.arange(n) == 7).astype(int), (np.arange(n) == 7) * 0.5 + np.arange(n) / 1e4
    yield "one same pair, tied", one, (np.arange(n) == 7).astype(int), np.arange(n) // 20 / 10
    yield "one different pair", one, (np.arange(n) != 7).astype(int), np.arange(n) // 20 / 10
    yield "two pairs", [0, 0], [1, 0], [0.5, 0.25]
    yield "two pairs, wrong way round", [0, 0], [1, 0], [0.25, 0.5]
    yield "separated", one, half, half * 0.5 + np.arange(n) / 1e4
    yield "separated, wrong way round", one, half, half * -0.5 + np.arange(n) / 1e4
    yield "zero and minus zero", one, half, np.where(np.arange(n) % 3, 0.0, -0.0) + (np.arange(n) % 5 == 0)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    random = np.random.default_rng(1)
    count = 0
    for name, *scores in [*random_sets(random), *degenerate_sets()]:
        try:
            check(sys.argv[1], *scores)
        except AssertionError as error:
            sys.exit(f"{name}: {error}")
        count += 1
    print(f"{count} sets agree with scikit-learn")


main()
