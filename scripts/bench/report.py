"""What is printed: one line for each thing measured."""

from dataclasses import dataclass, field

__all__ = ["Report"]


@dataclass
class Report:
    """The lines so far, printed as they come.

    Attributes:
        missed: The lines whose target was missed.
    """

    missed: list[str] = field(default_factory=list[str])

    def section(self, title: str) -> None:
        """Begin another part."""
        print(f"\n{title}", flush=True)

    def tell(self, label: str, value: float, said: str) -> None:
        """A measured value that has no target; `said` gives the facts."""
        print(f"  {label:<66} {_shown(value)} {'':>19}  {said}", flush=True)

    def judge(self, label: str, value: float, target: float, said: str) -> None:
        """The same beside its target, the most that the value may be."""
        self._judged(label, value, f"≤ {_shown(target)}", value <= target, said)

    def judge_least(self, label: str, value: float, target: float, said: str) -> None:
        """The same beside the least that the value may be."""
        self._judged(label, value, f"≥ {_shown(target)}", value >= target, said)

    def _judged(self, label: str, value: float, target: str, good: bool, said: str) -> None:
        beside = f"{target} {'PASS' if good else 'MISS'}"
        print(f"  {label:<66} {_shown(value)}  {beside:<18}  {said}", flush=True)
        if not good:
            self.missed.append(label)

    def end(self) -> None:
        """The verdict."""
        print()
        if self.missed:
            print(f"TARGETS MISSED: {'; '.join(self.missed)}.", flush=True)
        else:
            print("Every target was met.", flush=True)


def _shown(value: float) -> str:
    return f"{value:>9,.0f}" if value >= 1_000 else f"{value:>9.2f}"
