from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hairpin.rehearsal.arrival import Curve, delays_ms, seen_ms

shares = st.floats(0.0, 0.5)
curves = st.builds(
    Curve,
    reaction_ms=st.floats(0.0, 500.0),
    fast_share=shares,
    tail_share=shares,
    fast_sigma=st.floats(0.0, 1.0),
    slow_sigma=st.floats(0.0, 1.0),
)


@given(st.integers(0, 2**32), st.integers(0, 500), curves)
def test_nobody_beats_the_shortest_reaction(seed: int, fans: int, curve: Curve) -> None:
    delays = delays_ms(np.random.default_rng(seed), fans, curve)
    assert delays.shape == (fans,)
    assert np.isfinite(delays).all()
    assert (delays >= curve.reaction_ms).all()


@given(st.integers(0, 2**32), st.integers(0, 500))
def test_the_same_seed_gives_the_same_arrivals(seed: int, fans: int) -> None:
    one = delays_ms(np.random.default_rng(seed), fans)
    assert (one == delays_ms(np.random.default_rng(seed), fans)).all()


@given(st.integers(0, 2**32), st.integers(0, 500), st.floats(-10.0, 10_000.0))
def test_every_phone_looks_within_the_spread(seed: int, fans: int, spread_ms: float) -> None:
    seen = seen_ms(np.random.default_rng(seed), fans, spread_ms)
    assert ((seen >= 0.0) & (seen <= max(spread_ms, 0.0))).all()
