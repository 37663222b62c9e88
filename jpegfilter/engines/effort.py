"""What is fitted to one picture, how much that may cost, and where chance begins."""

from __future__ import annotations

from dataclasses import dataclass

from jpegfilter.errors import UsageError

_STEPS, _UNTRAINED_STEPS = 200, 2000
FITS = ("mse", "sure", "interval")
"""How a result is held against the file: its pixels, an unbiased estimate of the true error, its intervals."""
_REPORTS = ("mse", "sure")
"""Those of them that the report has."""
TEN_LOSSES = _REPORTS + tuple(
    f"kl-{toward}-{fit}-{weight}" for toward in "pq" for fit in _REPORTS for weight in (10, 100)
)
"""The report's: alone, or `weight` times beside a divergence of colors, of the result from what is expected ("p") or of
what is expected from the result ("q")."""
LOSSES = (*TEN_LOSSES, "interval", *(f"kl-{toward}-interval-{weight}" for toward in "pq" for weight in (10, 100)))
NETWORKS = ("low", "medium", "high")
STOPS = ("held-out", "variance", "none")
INPUTS = ("noise", "jpeg")
COLORS = ("normal", "model")


def _one_of(wanted: str, names: tuple[str, ...], came: str) -> None:
    if came not in names:
        raise UsageError(wanted, repr(came), f"choose among: {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class Untrained:
    """A network that has seen nothing but the picture (see `engines.untrained`).

    Attributes:
        network: a name from `NETWORKS`.
        loss: a name from `LOSSES`.
        skips: whether the network has skip connections.
        input: "noise", or "jpeg", the decoded file itself; None as the report has it: the file for SURE, else noise.
        stop: how the best of its results is told: "held-out", "variance", or "none", the last. None: by coefficients
            that are kept from the fit where intervals are what it is held against, otherwise by the variance.
        colors: what a divergence expects: "normal" distributions as wide as the file's, or those of the shipped model's
            result.
        regions: parts of the picture, in a row and in a column, whose colors are distributed each for itself.
        channels: weights of R, G and B in the divergence.
    """

    network: str = "medium"
    loss: str = "interval"
    skips: bool = True
    input: str | None = None
    stop: str | None = None
    colors: str = "normal"
    regions: int = 1
    channels: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        _one_of("a size of untrained network", NETWORKS, self.network)
        _one_of("a loss", LOSSES, self.loss)
        _one_of("colors to expect", COLORS, self.colors)
        if self.input is not None:
            _one_of("an input of the network", INPUTS, self.input)
        if self.stop is not None:
            _one_of("a rule to stop by", STOPS, self.stop)
        if self.fit == "sure" and self.input == "noise":
            raise UsageError("the file as SURE's input", "noise", "leave the input out: SURE is about that function")
        if self.regions < 1:
            raise UsageError("at least one region", str(self.regions), "1 is the whole picture")
        if min(self.channels) < 0 or sum(self.channels) == 0:
            raise UsageError("weights of R, G and B", str(self.channels), "1 for each is usual")

    @property
    def fit(self) -> str:
        """How a result is held against the file: a name from `FITS`."""
        return next(name for name in FITS if name in self.loss)

    @property
    def rule(self) -> str:
        """How the best result is told: a name from `STOPS`."""
        return self.stop or ("held-out" if self.fit == "interval" else "variance")

    @property
    def divergence(self) -> tuple[str, float] | None:
        """The direction, "p" or "q", of the divergence, and what the rest of the loss is multiplied by."""
        if not self.loss.startswith("kl-"):
            return None
        _, toward, _, weight = self.loss.split("-")
        return toward, float(weight)


@dataclass(frozen=True, slots=True)
class Effort:
    """What is fitted, and what that may cost.

    Attributes:
        steps: optimizer steps at the most; None takes 200, or 2000 of an untrained network.
        seconds: time at the most; None leaves it to the steps, and makes results the same from run to run.
        seed: of all that is drawn by chance.
        views: mirror images whose results are averaged, before and after (see `engines.views`).
        untrained: fit a network that chance makes, and not the shipped one.
    """

    steps: int | None = None
    seconds: float | None = None
    seed: int = 0
    views: int = 8
    untrained: Untrained | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError("at least one step", str(self.steps), "200 is usual")
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError("a time above 0 seconds", f"{self.seconds:g}", "leave it out to take all steps")
        if not 1 <= self.views <= 8:
            raise UsageError("1 to 8 views", str(self.views), "8 is best, 1 quickest")

    @property
    def limit(self) -> int:
        """Optimizer steps at the most."""
        return self.steps or (_STEPS if self.untrained is None else _UNTRAINED_STEPS)
