"""People with known parameters are found again. Larger samples stand in the docstrings."""

from math import exp, log
from random import Random
from statistics import NormalDist, correlation, fmean

from science.research.bart import fit_par4, fit_target
from science.research.reaction import fit_ex_gaussian
from simulators.balloon_choices import par4, play

NORMAL = NormalDist()


def test_the_appetite_for_risk_of_par4_is_found_again() -> None:
    """gamma at .9 from 30 balloons of 64 pumps.

    gamma even over .2 .. 2, the others at half the prior's spread: .94 in a sample of 300, .96 to .97 in four of 150. Where all four come from the
    whole prior it is .82 to .86, since phi and gamma both raise the first intention: with phi known .92, with the others known .96.
    """
    dice, max_pumps = Random(11), 64
    middle = (-NORMAL.inv_cdf(2 / max_pumps), -4.0, log(16 / max_pumps))
    pairs = []
    for _ in range(120):
        z = [m + 0.5 * sd * dice.gauss(0, 1) for m, sd in zip(middle, (0.5, 2.0, 0.7), strict=True)]
        gamma = dice.uniform(0.2, 2)
        mind = par4((NORMAL.cdf(z[0]), exp(z[1]), gamma, exp(z[2])))
        fit = fit_par4(*play(mind, 30, max_pumps, dice), max_pumps=max_pumps)
        pairs.append((gamma, fit.gamma))
    r = correlation(*zip(*pairs, strict=True))
    print(f"true against estimated gamma: r = {r:.3f} over {len(pairs)}")
    assert r >= 0.9


def test_the_parts_of_a_reaction_are_found_again() -> None:
    """mu and tau at .9, sigma at .5 from 150 independent times (C3's people): .98, .98 and .92 in a sample of 300."""
    dice, true, found = Random(12), [], []
    for _ in range(150):
        mu, sigma = dice.gauss(284, 38), exp(log(24) + 0.5 * dice.gauss(0, 1))
        tau = exp(log(60) + 0.55 * dice.gauss(0, 1))
        fit = fit_ex_gaussian(
            [max(1.0, dice.gauss(mu, sigma) + dice.expovariate(1 / tau)) for _ in range(150)]
        )
        true.append((mu, sigma, tau))
        found.append((fit.mu, fit.sigma, fit.tau))
    for name, least, was, is_ in zip(
        ("mu", "sigma", "tau"),
        (0.9, 0.5, 0.9),
        zip(*true, strict=True),
        zip(*found, strict=True),
        strict=True,
    ):
        r = correlation(was, is_)
        print(f"true against estimated {name}: r = {r:.3f} over {len(true)}")
        assert r >= least


def test_the_target_is_found_through_the_bursts() -> None:
    """C1's people at 30 balloons of 64: mu at .9, without the bias that bursts give to the mean of kept balloons."""
    dice, max_pumps, pairs, naive = Random(13), 64, [], []
    for _ in range(150):
        mu, sigma = log(0.3 * max_pumps) + 0.35 * dice.gauss(0, 1), exp(log(0.28) + 0.45 * dice.gauss(0, 1))
        beta, delta = 0.25 * dice.gauss(0, 1), -0.08 + 0.15 * dice.gauss(0, 1)
        pumps: list[int] = []
        exploded: list[int] = []
        for j in range(1, 31):
            meant = mu + beta * (j - 15.5) / 30 + delta * (exploded[-1] if exploded else 0)
            target = max(0, min(max_pumps, round(exp(dice.gauss(meant, sigma)))))
            burst = dice.randint(1, max_pumps)
            pumps.append(min(target, burst))
            exploded.append(int(burst <= target))
        kept = [log(p) for p, e in zip(pumps, exploded, strict=True) if p and not e]
        if len(kept) >= 5:
            pairs.append((mu, fit_target(pumps, exploded).mu))
            naive.append(fmean(kept) - mu)
    assert len(pairs) > 140
    assert correlation(*zip(*pairs, strict=True)) >= 0.9
    bias = fmean(found - true for true, found in pairs)
    print(f"bias of mu {bias:+.3f}, of the mean of kept balloons {fmean(naive):+.3f}")
    assert abs(bias) < 0.03
    assert fmean(naive) < -0.06
