"""A closer look at a few fans."""

from __future__ import annotations

import numpy as np
from small_show import FR, GB, answer, records_of

from hairpin.tally.contenders import answers_of_fans, origins


def test_all_answers_of_these_fans_and_of_nobody_else() -> None:
    batches = [
        records_of([answer(1), answer(2), answer(1, 0b010)]),
        records_of([]),
        records_of([answer(3), answer(1, question=1)]),
    ]
    found = answers_of_fans([1, 9], batches)
    assert found["fan"].tolist() == [1, 1, 1]
    assert found["question"].tolist() == [0, 0, 1]
    assert len(answers_of_fans([], batches)) == 0
    assert len(answers_of_fans([1], [])) == 0
    assert answers_of_fans([1], []).dtype == batches[0].dtype


def test_origins_are_country_code_and_age_band() -> None:
    records = records_of([answer(1, country=FR, band=0), answer(2, country=GB, band=2)])
    assert origins(records) == {1: ("FR", 0), 2: ("GB", 2)}
    assert origins(np.concatenate([records, records])) == origins(records)
