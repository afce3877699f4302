"""`nas.soup`, step by step: what goes in, made or named; the mixing; the folder, as of any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nas.comparison.candidates import split_start
from nas.data.images import Dataset, Images
from nas.data.source import DataSource, choose_source
from nas.exports.files import write_network
from nas.files import MISTAKES, RESULT, make_folder, new_folder, write_atomically
from nas.final.job import Job
from nas.final.mistakes import draw_worst
from nas.final.tested import tested
from nas.ledger.run import versions
from nas.options.commands import SoupOptions
from nas.options.groups import DataOptions
from nas.options.option import options_of
from nas.references.origin import origin_of, source_for
from nas.references.resolve import resolve
from nas.searching import choices
from nas.searching.progress import Output
from nas.soups import fine_tunings
from nas.soups.members import Member, images_of
from nas.soups.mixing import Pot
from nas.soups.results import Cooked, cook
from nas.training.announcement import images_lines
from nas.training.metrics import check_metric
from nas.training.recipe import Recipe
from nas.training.transfer import choose_start, metadata
from searchspaces.cost import cost

OF_ALL = (
    "networks", "members", "mix", "data", "data_dir", "metric", "device", "threads", "out", "runs_dir", "progress",
)  # fmt: skip
"""Options that are of soups of trainings that there are, too."""


def fine_tuned(asked: SoupOptions, target: str, folder: Path, device: str, output: Output) -> list[Path]:
    """The folders of the fine-tunings of `target`, which are trained first. Raises ValueError for a mistake."""
    if asked.init is None:
        raise ValueError(
            "--members are fine-tunings of the same weights, which mix; those that begin at random do not: add --init "
            "WEIGHTS"
        )
    assert asked.members is not None
    network = resolve(target, asked.runs_dir)
    origin = origin_of(target, network, asked.runs_dir)
    source = source_for([target], origin, asked, output.log)
    start, tuning = choose_start(asked)
    recipe = choices.choose_recipe(asked, source.image_size, origin.recipe if origin else None)
    dataset = choices.load_data(source, output)
    test = source.load_test(output.log)
    recipe = choices.suited(recipe, dataset, asked)
    choices.check_network(network, dataset)
    choices.check_recipe(recipe, dataset)
    first = Job(network, source, recipe, asked.seed, device, asked.threads, start, tuning)
    given = [*(asked.recipe or {}), *(name for name in fine_tunings.DRAWN if asked.says(name))]
    if output.kind != "none":
        output.say(f"network   {network.name}")
        for line in images_lines(source, replace(dataset, test=test), recipe, preset=asked.preset):
            output.say(line)
        output.say(
            f"start     the weights of {asked.init}, of {asked.members} fine-tunings; their recipes vary around it"
        )
        output.say(f"device    {device}\nresults   {folder}/")
    make_folder(folder)
    first = fine_tunings.with_one_start(first, dataset, folder)
    todo = fine_tunings.jobs(first, asked.members, fine_tunings.drawable(dataset, given))
    for job in todo:
        choices.check_recipe(job.recipe, dataset)
    return list(fine_tunings.train(folder, todo, dataset, test, output))


def check_of_trainings(asked: SoupOptions) -> None:
    """Raises ValueError where options are given that are of fine-tunings, and none are to be made."""
    names = [name for name in options_of(SoupOptions) if name not in OF_ALL]
    if others := asked.changed(*names):
        raise ValueError(
            f"{', '.join(others)}: of fine-tunings to be made, which --init WEIGHTS --members 5 asks for; a soup of "
            "trainings that there are has none to do"
        )


def folder_for(asked: SoupOptions, target: str) -> Path:
    """Where the soup goes: as asked for, or NAME-soup. Raises ValueError where `target` is no network."""
    network = resolve(split_start(target)[0], asked.runs_dir)
    return Path(asked.out or f"{network.name.replace(':', '-')}-soup").expanduser()


def mix(asked: SoupOptions, members: Sequence[Member], folder: Path, device: str, output: Output) -> dict[str, Any]:
    """Make the soup of `members`, and write it to `folder`; returns what its result.json says."""
    first = members[0]
    source = _source(asked, members, output)
    recipe = first.recipe if asked.metric is None else replace(first.recipe, metric=asked.metric)
    dataset, test = _images(source, first, recipe, device, output)
    check_metric(recipe.metric, dataset)
    pot = Pot(first.source.module.to(device), dataset, test, recipe)
    tensors = [{name: tensor.clone().to(device) for name, tensor in member.tensors.items()} for member in members]
    names, roots = [member.name for member in members], [member.roots for member in members]
    with new_folder(folder):
        with output.busy(f"mixing {len(members)} networks"):
            cooked = cook(pot, tensors, names, _own(members), roots, asked.mix)
        result = _result(cooked, pot, [members[number] for number in cooked.numbers], device, asked.threads)
        network, shape = first.source.network, first.source.shape
        said = metadata(dataset, recipe.metric)
        write_network(folder, network, pot.module, shape, said, data=source, channels=dataset.channels)
        draw_worst(folder / MISTAKES, test, cooked.said, dataset.class_names, dataset.targets)
        write_atomically(folder / RESULT, json.dumps(result, indent=2) + "\n")
    return result


def _source(asked: SoupOptions, members: Sequence[Member], output: Output) -> DataSource:
    """The images that the members were trained on, or those asked for. Raises ValueError where nothing says which."""
    usual = images_of(members)
    if asked.data is None and usual is None:
        raise ValueError(f"nothing says on which images {members[0].name} was trained: give --data")
    where = DataOptions(data=asked.data, data_dir=asked.data_dir)
    return replace(choose_source(usual, where, output.log), image_size=members[0].source.shape[1])


def _images(source: DataSource, member: Member, recipe: Recipe, device: str, output: Output) -> tuple[Dataset, Images]:
    """As the `member` was trained on them by `recipe`, and those of the test."""
    task, pixels = member.source.task, member.source.shape[1]
    assert task is not None
    read = source.again()
    with output.passing(f"reading {source.name}"):
        loaded, test = read.load(output.log), read.load_test(output.log)
    source.check_unchanged(loaded, "trainings")
    dataset = replace(recipe, image_size=pixels).prepare(loaded).to(device)
    if (task.class_names, task.targets.kind) != (dataset.class_names, dataset.kind):
        raise ValueError(
            f"{member.name} is for other classes than those of {dataset.name}: give --data that has the same"
        )
    mean, std = task.preprocessing.mean, task.preprocessing.std
    return replace(dataset, mean=mean, std=std, targets=task.targets), test.to(device).resize(pixels)


def _own(members: Sequence[Member]) -> list[dict[str, Any]]:
    """What of each member's recipe, and its seed, is not as all others have it."""
    recipes = [asdict(member.recipe) | {"seed": (member.result or {}).get("seed")} for member in members]
    differ = [name for name in recipes[0] if any(recipe[name] != recipes[0][name] for recipe in recipes)]
    return [{name: recipe[name] for name in differ} for recipe in recipes]


def _result(cooked: Cooked, pot: Pot, inside: Sequence[Member], device: str, threads: int) -> dict[str, Any]:
    """What `result.json` says: as that of a training, and of the soup what went `inside` and what each step came to."""
    source, metric = inside[0].source, pot.recipe.metric
    size = cost(pot.module, source.shape[1], source.channels)
    seconds = [member.result.get("seconds") if member.result else None for member in inside]
    spent = [each for each in seconds if each is not None]
    started = {member.start or "" for member in inside} - {""}
    return {
        **tested(source.network.name, size, pot.dataset, pot.test.labels, cooked.said, metric, cooked.val),
        "recipe": asdict(pot.recipe),
        "start": {"sha256": started.pop()} if len(started) == 1 else None,
        "soup": cooked.soup.to_dict() | {"weights": {member.name: str(member.path.resolve()) for member in inside}},
        **({"seconds": sum(spent)} if len(spent) == len(inside) else {}),
        "device": device,
        "threads": threads,
        "versions": versions(),
    }
