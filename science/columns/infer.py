"""Profiles of many sessions: what ``science/profile.py`` makes of each, to the last bit."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from science.columns.kernel import Exact, probability
from science.columns.rows import Rows, rows_of
from science.columns.standing import Stands, Terms, is_fit, pairs_of, stands_of, terms_of
from science.mapping import Mapping, Published
from science.measure import Measures
from science.profile import Figures, Profile, infer, profile_of
from science.refusal import Stood, cases_of
from science.standing import Standing, Term

_Line = tuple[Any, ...]  # what ``_figures`` takes of a session and trait


def infer_all(measures: Sequence[Measures], published: Published) -> list[Profile]:
    """The profile of every session, in order: by columns what columns can, and one by one the rest."""
    if not measures or not is_fit(published):
        return [infer(one, published) for one in measures]
    exact = Exact(len(measures))
    rows = rows_of(measures, published, exact)
    terms = terms_of(rows, published, exact)
    stands = stands_of(rows, terms, published, exact)
    everything = zip(
        measures,
        exact.known.tolist(),
        _terms(rows, terms),
        _lines(stands, published),
        stands.correlations.T.tolist(),
        strict=True,
    )
    return [
        _profile(one, published, of_all, lines, errors) if is_known else infer(one, published)
        for one, is_known, of_all, lines, errors in everything
    ]


def _terms(rows: Rows, terms: Terms) -> Iterator[list[Term]]:
    """The terms of every session, all traits' after one another."""
    norms = [
        [None if one is None else one.metrics[rule.metric] for one, rule in zip(row, rows.rules, strict=True)]
        for row in rows.norms
    ]
    z, se = terms.z.astype(object), terms.se.astype(object)
    z[~rows.has] = se[~rows.has] = None
    columns = [
        column.T.tolist() for column in (rows.is_counted, z, se, terms.y, terms.slope, terms.coefficient)
    ]
    for metrics, norming, *session in zip(rows.metrics, rows.norming.tolist(), *columns, strict=True):
        yield list(map(Term, rows.rules, metrics, rows.norms[norming], norms[norming], *session))


def _lines(stands: Stands, published: Published) -> Iterator[tuple[_Line, ...]]:
    """One of every session and trait."""
    ends = (stands.c - stands.half, stands.c + stands.half, stands.c - stands.far, stands.c + stands.far)
    chances = probability(np.array([stands.c, *ends, stands.shrunk]))
    columns = (
        stands.scale,
        stands.c,
        stands.sem,
        stands.df,
        stands.reliability,
        stands.tau2,
        *ends,
        *chances,
    )
    traits, place = [], 0
    for trait, rule in enumerate(published.mapping.traits.values()):
        rows = slice(place, place := place + len(rule.metrics))
        of_rows = (stands.used[rows].T, stands.part[rows].T)
        lists = [column.tolist() for column in (*of_rows, stands.stands[trait], stands.has_day[trait])]
        traits.append(zip(*lists, *[column[trait].tolist() for column in columns], strict=True))
    return zip(*traits, strict=True)


def _profile(
    one: Measures,
    published: Published,
    of_all: Sequence[Term],
    lines: Sequence[_Line],
    errors: Sequence[int],
) -> Profile:
    """``of_all`` are the terms of all traits, ``errors`` the correlations of every two."""
    mapping, place = published.mapping, 0
    stood: dict[str, Stood] = {}
    figures: dict[str, Figures] = {}
    for (trait, rule), line in zip(mapping.traits.items(), lines, strict=True):
        terms = of_all[place : (place := place + len(rule.metrics))]
        told = _figures(terms, line, mapping)
        stood[trait] = terms, None if told is None else told.standing
        if told is not None:
            figures[trait] = told
    cases = cases_of(one, published, stood)
    scored = {trait: told for trait, told in figures.items() if not cases[trait].reasons}
    correlations: dict[str, dict[str, int]] = {}
    for (other, name), error in zip(pairs_of(published), errors, strict=True):
        if other in scored and name in scored:
            correlations.setdefault(name, {})[other] = error
    return profile_of(one, published, cases, scored, correlations)


def _figures(terms: Sequence[Term], line: _Line, mapping: Mapping) -> Figures | None:
    """The standing in a trait, and what it tells if it is scored; None without any."""
    used, parts, stands, has_day, scale, c, sem, df, reliability, tau2, *rest = line
    if not stands:
        return None
    low, high, early, late, score, lowest, highest, earliest, latest, shrunk = rest
    mine = tuple(terms)
    if False in used:
        mine = tuple([term for term, is_used in zip(terms, used, strict=True) if is_used])
        parts = [part if is_used else None for part, is_used in zip(parts, used, strict=True)]
    standing = Standing(
        terms=mine,
        winsor=mapping.winsor,
        scale=scale,
        c=c,
        sem=sem,
        df=df,
        method=mapping.interval.method,
        reliability=reliability,
        tau2=tau2,
        interval=(low, high),
        trait_interval=(early, late) if has_day else None,
    )
    return Figures(
        standing=standing,
        score=score,
        ci=(lowest, highest),
        ci_trait=(earliest, latest) if has_day else None,
        score_shrunk=shrunk,
        parts=parts,
    )
