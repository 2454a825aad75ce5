"""The results, as Markdown."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table. `met` is none where there is no goal."""

    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None

    def __str__(self):
        verdict = {True: "yes", False: "**no**", None: ""}[self.met]
        return f"| {self.what} | {self.ours} | {self.peer} | {self.ratio} | {self.goal} | {verdict} |"


HEAD = "| what | mf2c | peer | ratio | goal | met |\n| --- | --- | --- | --- | --- | --- |"


class Ratio:
    """How two sides compare: the middle of the ratios of runs that followed each other, and their range."""

    def __init__(self, ours, theirs):
        self.each = sorted(mine / other for mine, other in zip(ours, theirs) if other)
        self.value = statistics.median(self.each) if self.each else 0.0

    def times(self):
        low, high = self.each[0], self.each[-1]
        return f"{self.value:.1f} × ({low:.1f} to {high:.1f})"

    def percent(self):
        low, high = self.each[0], self.each[-1]
        return f"{self.value:.0%} ({low:.0%} to {high:.0%})"
