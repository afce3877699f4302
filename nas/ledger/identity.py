"""Who a run is, wherever its folder goes: what `config.json` says of it besides its configuration.

A folder can be renamed, moved and copied. So a run's ledger is not found by what its folder is called, but by the name
of its study, and the run that stands beside another one (its random control, a comparison at equal seconds) by that
one's `id`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Identity:
    """All is empty of a run that was made before there were identities, until that goes on."""

    study: str = ""  # the name of its study in the ledger
    id: str = ""  # the same in all copies of the folder
    of: str = ""  # the id of the run that it stands beside
    beside: str = ""  # what the folder of the run that stands beside it was called

    @classmethod
    def new(cls, study: str, of: str = "", beside: str = "") -> Self:
        return cls(study, secrets.token_hex(8), of, beside)

    @classmethod
    def in_document(cls, document: dict[str, Any]) -> Self:
        """What a `config.json` says."""
        return cls(**{f.name: document.get(f.name, "") for f in fields(cls)})

    def to_dict(self) -> dict[str, str]:
        """What there is of it, as JSON values."""
        return {name: text for name, text in asdict(self).items() if text}


def find_study(names: Sequence[str], recorded: str, folder: str, in_database: bool) -> str | None:
    """Which of a ledger's studies, by their `names`, is that of a run.

    It is the one that the run has `recorded`. A run that was made before there were identities has its folder's name,
    and in a journal of its own, whatever it is called, the one study that is there. None where there is no such one.
    """
    if recorded or in_database or folder in names:
        wanted = recorded or folder
        return wanted if wanted in names else None
    return names[0] if len(names) == 1 else None
