"""Which channels of a network can be more or fewer, together with which others, and in which multiples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import lcm

from searchspaces.around.channels import Followed, Producer


class Widths:
    """Of the producers of a network that was `followed`, by their names."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        self.producers: dict[str, Producer] = followed.producers

    @cached_property
    def fixed(self) -> dict[str, str]:
        """Producers whose channels must stay as many as they are, and why."""
        why = {self.followed.find(label): reason for label, reason in self.followed.fixed.items()}
        found = {}
        for name, classes in self.classes.items():
            if reasons := [why[label] for label in classes if label in why]:
                found[name] = reasons[0]
        return found

    @cached_property
    def classes(self) -> dict[str, tuple[int, ...]]:
        """Of each producer's channels."""
        return {name: tuple(map(self.followed.find, p.labels)) for name, p in self.producers.items()}

    @cached_property
    def groups(self) -> list[tuple[str, ...]]:
        """The producers whose channels meet, in the order in which they run: their widths change together."""
        group_of: dict[int, list[str]] = {}
        for name, classes in self.classes.items():
            merged = list({id(g): g for label in classes if (g := group_of.get(label))}.values())
            group = [member for g in merged for member in g] + [name]
            for member in group:
                for label in self.classes[member]:
                    group_of[label] = group
        order = {name: n for n, name in enumerate(self.producers)}
        distinct = {id(g): tuple(sorted(g, key=order.__getitem__)) for g in group_of.values()}
        return sorted(distinct.values(), key=lambda group: order[group[0]])

    @cached_property
    def segments(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Of each producer's channels: runs of (how many, what a run's number is a multiple of).

        Where a map is added to two that stand side by side, its channels are two runs: each grows by itself.
        """
        members: dict[int, set[str]] = {}
        for name, classes in self.classes.items():
            for label in classes:
                members.setdefault(label, set()).add(name)
        needs: dict[int, int] = {}
        for label, groups in self.followed.needs.items():
            least = self.followed.find(label)
            needs[least] = lcm(needs.get(least, 1), groups)
        for name, producer in self.producers.items():
            for label in self.classes[name]:
                needs[label] = lcm(needs.get(label, 1), producer.groups)
        found = {}
        for name, classes in self.classes.items():
            runs: list[tuple[int, int]] = []
            last: set[str] | None = None
            for label in classes:
                if members[label] == last:
                    runs[-1] = runs[-1][0] + 1, lcm(runs[-1][1], needs.get(label, 1))
                else:
                    runs.append((1, needs.get(label, 1)))
                last = members[label]
            found[name] = tuple(runs)
        return found

    @cached_property
    def completed(self) -> dict[str, str]:
        """Producers that fill up what a block passes on to as many channels as it was given, by that block.

        So ShuffleNet V2's: half of its channels go past, and the other half are new.
        """
        found: dict[str, str] = {}
        for block, (given, out) in self.followed.shapes.items():
            passed = {self.followed.find(label) for label in self.followed.inputs[block]}
            ends = {self.followed.find(label) for label in self.followed.outputs[block]}
            new = ends - passed
            if given[0] == out[0] and new and new != ends:
                for name, classes in self.classes.items():
                    if set(classes) == new and is_in(name, (block,)):
                        found.setdefault(name, block)
        return found


def is_in(name: str, parts: Sequence[str]) -> bool:
    """Whether a module is one of `parts`, or within one."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)
