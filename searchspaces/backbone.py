"""A network without its classifier: the feature maps that it makes on the way, by their strides.

A map's stride is how many times fewer pixels a side it has than the image. Of each stride that a network goes through
it is the last map, which has seen most: what a row puts out, and nothing from within a block. Which those are is found
by running the forward on an image without numbers, so it is the same for the zoo, a space and anybody's module.

    maps = Backbone(network, image_size=224)(images)      # {2: [B, 64, 112, 112], 4: [B, 256, 56, 56], ...}

A convolution of one pixel that only widens the last map for the classifier, as MobileNetV2's to 1280 channels, is a
part of that, and gone with it; so EfficientDet and most segmentation networks have it. A map that two functions hand
to each other, with no module in between, is not seen: it is then that of the module before.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn

from searchspaces.cost import counted
from searchspaces.counting import Counter
from searchspaces.dilation import Layer, dilate
from searchspaces.following import tensors_in


@dataclass
class Call:
    """One run of the module `name`, its `number` from 0; `given` and `out` are `[C, H, W]`, or `()` of what is no map.

    Of several maps that are given it is the smallest. Tokens `[N, C]` that are as many as the pixels of the map before
    are that map: `tokens`.
    """

    name: str
    module: nn.Module
    number: int
    given: tuple[int, ...]
    out: tuple[int, ...] = ()
    tokens: bool = False
    children: list[Call] = field(default_factory=list)


class Tap(NamedTuple):
    """Where a map is taken: of which run of which module, how many channels it has, and whether it comes as tokens."""

    name: str
    number: int
    channels: int
    tokens: bool = False


class Backbone(nn.Module):
    """`network` for images of about `image_size` pixels, as its maps by their strides.

    The network becomes a part of it, as `network`: its weights stay as they are, under the names that they have there,
    and what only its classifier needs is gone. `channels` says how many a map has, by strides. Only the `strides` that
    are asked for are given, and what nothing of these needs is gone, too.

    With an `output_stride` no map is smaller than the image by more: layers that would make it so keep its size, and
    those after them look as far apart as they did (`searchspaces.dilation`). At the pixels that the strided network
    has, the last map is equal to its last map, unless a part of it averages whole maps, as squeeze-and-excitation does.

    Raises ValueError where there are no such maps, or the forward needs an image's numbers.
    """

    def __init__(
        self,
        network: nn.Module,
        image_size: int,
        channels: int = 3,
        strides: Sequence[int] | None = None,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        whole = run_of(network, image_size, channels)
        taps = maps_of(network, whole, image_size)
        _take_away_the_rest(network, whole, taps.values(), image_size, channels)
        if output_stride is not None:
            taps = _dilated(network, taps, image_size, channels, output_stride)
        if missing := sorted(set(strides or ()) - taps.keys()):
            raise ValueError(
                f"the {type(network).__name__} has no map of stride {missing[0]} at {image_size} pixels: it has those "
                f"of {', '.join(map(str, taps))}"
            )
        self.taps = {stride: tap for stride, tap in taps.items() if strides is None or stride in strides}
        self.channels = {stride: tap.channels for stride, tap in self.taps.items()}
        if max(self.taps) < max(taps):
            whole = run_of(network, image_size, channels)
            _take_away_the_rest(network, whole, self.taps.values(), image_size, channels)
        self._seen = _Seen(self.taps)
        self._seen.watch(network)

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """Images `[B, C, H, W]` to maps `[B, channels[stride], H / stride, W / stride]`, by strides from the finest on.

        Where a network pads its maps the sizes are rounded up; where it does not they are some pixels less.
        """
        self._seen.begin()
        self.network(x)
        return self._seen.maps()


class Nothing(nn.Module):
    """In the place of a part that nothing needs: gives what it is given."""

    def forward(self, *given: Any, **named: Any) -> Any:
        return given[0] if given else None


class _Seen:
    """The maps of a forward, as the modules of the `taps` put them out. No module, so an export sees no state."""

    def __init__(self, taps: dict[int, Tap]) -> None:
        self.taps = taps
        self.runs: Counts[str] = Counts()
        self.found: dict[int, Tensor] = {}

    def watch(self, network: nn.Module) -> None:
        modules = dict(network.named_modules())
        for name in {tap.name for tap in self.taps.values()}:
            modules[name].register_forward_hook(_Watch(self, name))

    def begin(self) -> None:
        self.runs.clear()
        self.found.clear()

    def note(self, name: str, out: Any) -> None:
        for stride, tap in self.taps.items():
            if tap.name == name and tap.number == self.runs[name]:
                self.found[stride] = as_map(_last(out)) if tap.tokens else _last(out)
        self.runs[name] += 1

    def maps(self) -> dict[int, Tensor]:
        maps = {stride: self.found[stride] for stride in self.taps}
        self.found.clear()
        return maps


class _Watch:
    """A forward hook; a class, so that a copy of the backbone has copies of it."""

    def __init__(self, seen: _Seen, name: str) -> None:
        self.seen, self.name = seen, name

    def __call__(self, module: nn.Module, given: Any, out: Any) -> None:
        self.seen.note(self.name, out)


def as_map(tokens: Tensor) -> Tensor:
    """Tokens `[B, N, C]` of a square image as a map `[B, C, H, W]`, without those before that are of no patch."""
    side = math.isqrt(tokens.shape[1])
    return tokens[:, tokens.shape[1] - side * side :].transpose(1, 2).reshape(len(tokens), -1, side, side)


# ---------------------------------------------------------------------------- which maps there are


def maps_of(network: nn.Module, whole: Call, image_size: int) -> dict[int, Tap]:
    """The last map of each stride that `network` goes through in the run `whole`, from the finest on.

    Raises ValueError where it has none.
    """
    rows = [call for call in _rows(whole) if call.out and not isinstance(call.module, _OF_ANY_SIZE)]
    found: dict[int, list[Call]] = {}
    for call in rows:
        found.setdefault(_stride(image_size, call.out), []).append(call)
    if not found:
        raise ValueError(f"the {type(network).__name__} makes no maps [B, C, H, W] of more than one pixel")
    deepest = max(found)
    found[deepest] = _without_classifier(found[deepest])
    return {
        stride: Tap(calls[-1].name, calls[-1].number, calls[-1].out[0], calls[-1].tokens)
        for stride, calls in sorted(found.items())
    }


def strides_of(network: nn.Module, image_size: int, channels: int = 3) -> list[int]:
    """The strides of the maps that `network` makes of images of `image_size` pixels. ValueError as `maps_of`."""
    return list(maps_of(network, run_of(network, image_size, channels), image_size))


def run_of(network: nn.Module, image_size: int, channels: int) -> Call:
    """The run of `network` on an image without numbers, and the runs of all modules within it.

    Raises ValueError where it takes no such image, or its forward needs the numbers.
    """

    def run(network: nn.Module, image: Tensor, counter: Counter) -> Call:
        recorder = _Recorder(network)
        try:
            network(image)
        finally:
            recorder.remove()
        assert recorder.whole is not None
        return recorder.whole

    return counted(network, image_size, channels, run)


class _Recorder:
    """Notes which module runs within which, and the shapes that it is given and puts out."""

    def __init__(self, network: nn.Module) -> None:
        self.whole: Call | None = None
        self._stack: list[Call] = []
        self._runs: Counts[str] = Counts()
        self._pixels = 0  # of the last map
        self._hooks = [hook for name, part in network.named_modules() for hook in self._hooked(name, part)]

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hooked(self, name: str, part: nn.Module) -> Iterator[Any]:
        def before(part: nn.Module, given: Any) -> None:
            maps = [tuple(tensor.shape[1:]) for tensor in tensors_in((given,)) if tensor.ndim == 4]
            call = Call(name, part, self._runs[name], min(maps, key=lambda shape: shape[-1], default=()))
            self._runs[name] += 1
            if self._stack:
                self._stack[-1].children.append(call)
            self._stack.append(call)

        def after(part: nn.Module, given: Any, out: Any) -> None:
            self._put_out(self._stack.pop(), _last(out))

        yield part.register_forward_pre_hook(before)
        yield part.register_forward_hook(after)

    def _put_out(self, call: Call, out: Any) -> None:
        if not self._stack:
            self.whole = call
        if not isinstance(out, Tensor):
            return
        if out.ndim == 4 and out.shape[2] == out.shape[3] > 1:
            call.out = tuple(out.shape[1:])
            self._pixels = out.shape[2] * out.shape[3]
        elif out.ndim == 3 and self._pixels and out.shape[1] - self._pixels in (0, 1):
            side = math.isqrt(self._pixels)
            call.out, call.tokens = (out.shape[2], side, side), True


_OF_ANY_SIZE = nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d  # whose maps have no stride: they are for a classifier


def _rows(call: Call) -> Iterator[Call]:
    """The runs within `call` that put out what counts: the rows of a network, and not what is within their blocks."""
    for child in call.children:
        if child.children and (not child.out or _holds_rows(child)):
            yield from _rows(child)
        else:
            yield child


def _holds_rows(call: Call) -> bool:
    """Whether a module that puts out a map is more than a row: it goes through several strides, or is a chain in which
    a convolution of more than a pixel comes before the map shrinks, as before a pooling at its end."""
    if not call.given or call.given[-1] > 2.5 * call.out[-1]:
        return True
    looked = False
    for child in call.children if isinstance(call.module, nn.Sequential) else ():
        if looked and child.given and child.out and child.given[-1] > 1.5 * child.out[-1]:
            return True
        looked = looked or any(max(conv.kernel_size) > 1 for conv in _convolutions(child))
    return False


def _without_classifier(calls: list[Call]) -> list[Call]:
    """Those of the last stride up to the last that looks at more than one pixel, with what norms and activates that."""
    kept = len(calls)
    for place in reversed(range(len(calls))):
        kernels = {conv.kernel_size for conv in _convolutions(calls[place])}
        if kernels and kernels != {(1, 1)}:
            break
        if kernels and place:
            kept = place
    return calls[:kept]


def _convolutions(call: Call) -> list[nn.Conv2d]:
    return [part for part in call.module.modules() if isinstance(part, nn.Conv2d)]


def _stride(image_size: int, out: tuple[int, ...]) -> int:
    return int(2 ** round(math.log2(image_size / out[-1])))


def _last(out: Any) -> Any:
    """What a module puts out; of several the last: a cell also hands on what it was given."""
    if isinstance(out, dict):
        out = tuple(out.values())
    return out[-1] if isinstance(out, tuple | list) and out else out


def _all(call: Call) -> Iterator[Call]:
    yield call
    for child in call.children:
        yield from _all(child)


# ---------------------------------------------------------------------------- what is changed


def _take_away_the_rest(network: nn.Module, whole: Call, taps: Iterable[Tap], image_size: int, channels: int) -> None:
    """Put `Nothing` in the place of modules that run after the last of `taps`, and of those that training alone runs.

    They stay where the forward needs more of them than to be called.
    """
    calls = list(_all(whole))
    ends = {(tap.name, tap.number) for tap in taps}
    last = max(n + sum(1 for _ in _all(call)) for n, call in enumerate(calls) if (call.name, call.number) in ends)
    needed = {call.name for call in calls[:last]}
    never = {name for name, _ in network.named_modules()} - {call.name for call in calls}
    for kept in (needed, needed | never):
        taken = _take_away(network, kept)
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            if ends <= {(call.name, call.number) for call in _all(run_of(network, image_size, channels))}:
                return
        for owner, key, module in taken:
            setattr(owner, key, module)


def _take_away(network: nn.Module, kept: set[str]) -> list[tuple[nn.Module, str, nn.Module]]:
    """Put `Nothing` in the place of the outermost modules that are not `kept` and hold none that is.

    Returns what held each, by which name, and what it was.
    """
    holding = {name[:end] for name in kept for end in (*_dots(name), len(name))}

    def outermost(name: str, module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
        for key, child in module.named_children():
            whole = f"{name}.{key}" if name else key
            if whole in holding:
                yield from outermost(whole, child)
            else:
                yield module, key, child

    taken = list(outermost("", network))
    for owner, key, _ in taken:
        setattr(owner, key, Nothing())
    return taken


def _dots(name: str) -> list[int]:
    return [place for place, letter in enumerate(name) if letter == "."]


def _dilated(
    network: nn.Module, taps: dict[int, Tap], image_size: int, channels: int, output_stride: int
) -> dict[int, Tap]:
    """The maps of `network` after no layer makes its map smaller than the image by more than `output_stride`.

    The last of all takes the place of the one that had that stride. Raises ValueError where there is no such stride, or
    a map shrinks by another function than a convolution or a pooling.
    """
    if output_stride not in taps:
        raise ValueError(f"an output stride is one that the network has ({', '.join(map(str, taps))})")
    deepest = taps[max(taps)]
    side, whole = _largest_run(network, image_size, channels)
    before = _at(whole, deepest)
    layers = [
        Layer(call.name, _stride(side, call.given), _stride(side, call.out))
        for call in _until(whole, deepest)
        if call.given and call.given[-1] > 1 and call.out and not call.tokens
    ]
    dilate(network, layers, output_stride)
    times = _stride(side, before) // output_stride
    after = _at(run_of(network, side, channels), deepest)
    if -(-after[-1] // times) != before[-1]:
        raise ValueError(
            f"the {type(network).__name__} makes its maps smaller by more than convolutions and poolings: it has no "
            f"output stride of {output_stride}"
        )
    return {stride: tap for stride, tap in taps.items() if stride < output_stride} | {output_stride: deepest}


def _largest_run(network: nn.Module, image_size: int, channels: int) -> tuple[int, Call]:
    """A run, and its image's pixels a side: many, so that strides are plain where maps lose pixels at their borders."""
    for side in (8 * image_size, 4 * image_size, 2 * image_size):
        with contextlib.suppress(ValueError):
            return side, run_of(network, side, channels)
    return image_size, run_of(network, image_size, channels)


def _at(whole: Call, tap: Tap) -> tuple[int, ...]:
    """The shape of the map that is taken there."""
    return next(call.out for call in _all(whole) if (call.name, call.number) == (tap.name, tap.number))


def _until(whole: Call, last: Tap) -> Iterator[Call]:
    """The runs up to that which puts out the `last` map, and all within that."""
    for call in _all(whole):
        yield call
        if (call.name, call.number) == (last.name, last.number):
            yield from list(_all(call))[1:]
            return
