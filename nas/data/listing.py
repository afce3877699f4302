"""Which files of a folder are images: past what is hidden and what systems leave behind, and through links.

Hidden and system files and folders are passed over at any depth, so that an editor's copies of images are not trained
on. Folders that are linked are followed, and each folder is read once. Whatever is passed over is counted.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from nas.data.decoded import File
from nas.data.image_file import is_image

SYSTEM = frozenset({
    "__macosx", "__pycache__", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "recycler", "lost+found",
    "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",
})  # fmt: skip
"""Names, in lower case, of what operating systems and network disks leave in folders."""

ENDINGS_NAMED = 5


@dataclass
class Passed:
    """What was passed over, counted. `loose` images are in no class's folder; `endings` are of files of other kinds."""

    hidden_folders: int = 0
    hidden_files: int = 0
    links: int = 0
    loose: int = 0
    endings: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Passed) -> Passed:
        return Passed(
            self.hidden_folders + other.hidden_folders,
            self.hidden_files + other.hidden_files,
            self.links + other.links,
            self.loose + other.loose,
            self.endings + other.endings,
        )

    def __str__(self) -> str:
        """`2 hidden or system folders, 3 files that are no images (.txt 2, .heic 1)`; empty where it is nothing."""
        named = ", ".join(f"{ending or 'none'} {count:,}" for ending, count in self.endings.most_common(ENDINGS_NAMED))
        counted = (
            (self.hidden_folders, "hidden or system folder", "hidden or system folders", ""),
            (self.hidden_files, "hidden or system file", "hidden or system files", ""),
            (self.links, "link to a folder that is read already", "links to folders that are read already", ""),
            (self.loose, "image in no class's folder", "images in no class's folder", ""),
            (self.endings.total(), "file that is no image", "files that are no images", f" ({named})"),
        )
        return ", ".join(f"{n:,} {one if n == 1 else many}{more}" for n, one, many, more in counted if n)


@dataclass
class Listing:
    """Image files, the folders that they are in, by their real paths, and what was passed over beside them."""

    files: list[File] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    passed: Passed = field(default_factory=Passed)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden or a system's own."""
    return name.startswith(".") or name.lower() in SYSTEM


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that leads nowhere, or in a circle, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name. Raises ValueError where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"cannot read the folder {folder}: {error.strerror or error}") from None


def holds_an_image(folder: Path) -> bool:
    """Whether `images_below` finds one in `folder`; it is over with the first."""
    waiting, seen = [folder], set()
    while waiting:
        here = waiting.pop()
        if (real := os.path.realpath(here)) in seen:
            continue
        seen.add(real)
        for entry in entries(here):
            if not is_hidden(entry.name):
                if is_folder(entry):
                    waiting.append(here / entry.name)
                elif is_image(entry.name):
                    return True
    return False


def images_below(top: Path, names: list[str]) -> Listing:
    """The images at any depth in the folders `names` of `top`, their names beginning there, sorted.

    An image that is reached both by folders and by links has the name of the folders. A link to a folder that the link
    itself is in leads in a circle and is not followed.
    """
    listing = Listing()
    links: list[Path] = []
    for name in names:
        _walk(top / name, top, listing, links)
    for link in links:  # which grows where a linked folder has links itself
        if _is_within(link, os.path.realpath(link)):
            listing.passed.links += 1
        else:
            _walk(link, top, listing, links)
    listing.files.sort()
    return listing


def _walk(folder: Path, top: Path, listing: Listing, links: list[Path]) -> None:
    """Add to `listing` what is below `folder`, and to `links` what linked folders there are."""
    if (real := os.path.realpath(folder)) in listing.folders:
        listing.passed.links += 1
        return
    listing.folders.add(real)
    for entry in entries(folder):
        path = folder / entry.name
        if is_hidden(entry.name):
            if is_folder(entry):
                listing.passed.hidden_folders += 1
            else:
                listing.passed.hidden_files += 1
        elif is_folder(entry):
            if entry.is_symlink():
                links.append(path)
            else:
                _walk(path, top, listing, links)
        elif is_image(entry.name) and _is_file(entry):
            listing.files.append(_file(entry, str(path.relative_to(top))))
        else:
            listing.passed.endings[path.suffix.lower()] += 1


def _is_within(link: Path, real: str) -> bool:
    """Whether `link` lies in the folder of real path `real`, by its own path or by the folders that that leads to."""
    parents = (link.parent, *link.parent.parents, *Path(os.path.realpath(link.parent)).parents)
    return any(os.path.realpath(parent) == real for parent in parents)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to one, or to nothing; not a pipe, which would be waited for."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:  # that it cannot be read is found out when it is
        return True


def _file(entry: os.DirEntry[str], name: str) -> File:
    try:
        status = entry.stat()
    except OSError:  # a link to nothing, say: that it cannot be read is found out when it is
        return File(name, -1, 0)
    return File(name, status.st_size, status.st_mtime_ns)
