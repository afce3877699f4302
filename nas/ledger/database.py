"""The database that a run's ledger may be in: named by a person each time, and kept without its password.

A run's `config.json` says where its database is, and whoever wrote that file chose it. So it is opened only where a
person has named it, too: by `--storage`, `nas.open(..., storage=...)` or the environment variable NAS_STORAGE, which
has the password as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from optuna.storages import RDBStorage
from sqlalchemy import URL, make_url

VARIABLE = "NAS_STORAGE"


class Unnamed(ValueError):
    """A file names a database that no person named."""


def public(url: str) -> str:
    """`url` without its password, and without all that follows `?`, where there may be another one.

    Raises ValueError where it is no URL of a database.
    """
    parts = _parts(url)
    kept = URL.create(parts.drivername, parts.username, None, parts.host, parts.port, parts.database)
    return kept.render_as_string(hide_password=False)


def has_secret(url: str) -> bool:
    """Whether `url` has a password, or what may be one."""
    parts = _parts(url)
    return bool(parts.password or parts.query)


def _parts(url: str) -> URL:
    try:
        parts = make_url(url)
    except Exception as error:  # of SQLAlchemy; its text may have the URL in it
        raise ValueError(f"cannot open the database of --storage: it is no URL ({type(error).__name__})") from None
    if "@" in (parts.host or ""):
        raise ValueError("cannot open the database of --storage: an @ in a name or password is written %40")
    return parts


def without_secrets(words: Sequence[str]) -> list[str]:
    """`words` of a command line, with the URLs among them as they are kept."""
    return [_URL.sub(_kept, word) for word in words]


_URL = re.compile(r"[\w+]+://.*", re.DOTALL)


def _kept(url: re.Match[str]) -> str:
    try:
        return public(url[0])
    except ValueError:
        return "***"


def named(recorded: str, given: str | None, file: Path) -> str:
    """The URL that a person named, which is that of the database `recorded` in `file`.

    It is `given`, else in the environment. Raises Unnamed where there is none, and ValueError where it is another's.
    """
    place, url = public(recorded), given or os.environ.get(VARIABLE)
    if not url:
        raise Unnamed(
            f"{file} says that the trials are in the database {place}, which is opened only where you name it, too: "
            f"add --storage {place}, with its password if it has one, or set {VARIABLE} to that"
        )
    if public(url) != place:
        raise ValueError(
            f"{file} says that the trials are in the database {place}, not in the {public(url)} of --storage or "
            f'{VARIABLE}: where it has moved, change "storage" in that file'
        )
    return url


def opened(url: str, new: bool) -> RDBStorage:
    """The database at `url`. Only for a `new` run is it made, or tables in it, where there are none.

    Raises ValueError where it cannot be opened.
    """
    if not new and (file := _file_of(url)) and not file.is_file():
        raise ValueError(f"cannot open the database of --storage: there is no file {file}")
    try:
        return RDBStorage(_with_driver(url), skip_table_creation=not new)
    except ImportError as error:  # Optuna's, in other words than the driver's own
        raise ValueError(f"cannot open the database of --storage: {_of_driver(url, error)}") from None
    except Exception as error:  # of SQLAlchemy, of the database
        said = _masked(" ".join(str(error).split()).replace(url, public(url)), url)
        raise ValueError(f"cannot open the database of --storage: {type(error).__name__}: {said}") from None


DRIVERS = {
    "postgresql": ("postgresql", "postgres"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "mysql"),
}
"""How the URL of a kind of database begins, and which extra of ours has the driver for it."""


def _with_driver(url: str) -> str:
    """`url` with the driver for PostgreSQL that our extra has: else that differs by SQLAlchemy.

    Every other is as it is.
    """
    parts = _parts(url)
    if parts.drivername != "postgresql":
        return url
    return parts.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _of_driver(url: str, error: ImportError) -> str:
    """What to install for the driver that is missing, or what to write for one that is."""
    kind, wanted = _parts(url).get_backend_name(), _parts(url).drivername
    missing = f"the driver of {wanted}:// is not installed ({error.__context__ or error})"
    if kind not in DRIVERS:
        return missing
    usual, extra = DRIVERS[kind]
    return f"{missing}: {'' if wanted == usual else f'write {usual}:// and '}pip install 'nas-toolkit[{extra}]'"


def _masked(text: str, url: str) -> str:
    parts = _parts(url)
    for secret in filter(None, [parts.password, *map(str, parts.query.values())]):
        text = text.replace(str(secret), "***")
    return text


def _file_of(url: str) -> Path | None:
    """Of SQLite's, but for one in memory."""
    parts = _parts(url)
    database = parts.database if parts.get_backend_name() == "sqlite" else None
    return Path(database) if database and database != ":memory:" and not database.startswith("file:") else None
