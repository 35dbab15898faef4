"""Risk against coverage: what answering only when sure is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from relpose_ros.evaluation.metrics import is_wrong, Outcome


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """
    What share of the queries is answered, surest first, and what share of the answers is wrong.

    :param answered: (n,) share of all queries, ascending.
    :param risk: (n,) share of wrong ones among these answers.
    :param area: under the risk over all answers given, 0 to 1: the smaller the better.
    """

    answered: np.ndarray
    risk: np.ndarray
    area: float

    def answered_at(self, risk: float) -> float:
        """Return the largest share of the queries that may be answered at this risk."""
        allowed = self.answered[self.risk <= risk]
        return float(allowed[-1]) if len(allowed) else 0.0


def risk_coverage(outcomes: Sequence[Outcome]) -> RiskCoverage:
    """
    Order answers by their own chance of being wrong (El-Yaniv and Wiener 2010).

    :param outcomes: at least one; those that are not rejected with `wrong_chance`.
    """
    answers = sorted((o for o in outcomes if not o.rejected), key=lambda o: o.wrong_chance)
    wrong = np.array([is_wrong(o) for o in answers], np.float64)
    number = np.arange(1, len(answers) + 1)
    risk = wrong.cumsum() / number
    return RiskCoverage(number / len(outcomes), risk, float(risk.mean()) if len(risk) else nan)
