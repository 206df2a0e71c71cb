"""What a scenario found: figures for the record, and sentences on what did not hold."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """Figures by name, in their order; `broken` is empty when everything held."""

    figures: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def expect(self, promise: str, found: object, wanted: object) -> None:
        """Note a figure; a difference from what was promised breaks the scenario."""
        self.figures[promise] = found
        if found != wanted:
            self.broken.append(f"{promise}: {found}, not {wanted}")

    def hold(self, promise: str, held: bool) -> None:
        """A promise without a figure."""
        if not held:
            self.broken.append(promise)
