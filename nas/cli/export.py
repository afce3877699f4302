"""`nas export`."""

from __future__ import annotations

from nas import api
from nas.cli import common
from nas.options.commands import ExportOptions


def export(asked: ExportOptions) -> None:
    """Write a network for use elsewhere.

    Each file is read back and must give the network's logits.
    """
    common.load_torch()
    from dataclasses import asdict

    from nas.exports.steps import steps_table
    from nas.text.units import format_bytes, format_percent

    done = api.export.of(asked)
    if asked.as_json:
        files = [asdict(file) | {"path": str(file.path)} for file in done.files]
        common.print_json({"trained": done.trained, "files": files, "steps": [asdict(s) for s in done.steps]})
        return
    for file in done.files:
        checked = f"  max logit difference {file.difference:.2g}" if file.difference is not None else ""
        original = f" ({file.from_original:.2g} from the original)" if file.from_original is not None else ""
        largest = f" of logits up to {file.largest:.2g}" if (file.difference or file.from_original) else ""
        same = f", the same class for {format_percent(file.agreement)} of images" if file.agreement is not None else ""
        micro = f"  {file.arena:,} bytes of memory in tflite-micro" if file.arena is not None else ""
        micro += f"  {file.reason}" if file.reason else ""
        common.to_stdout(f"wrote {file.path}  {format_bytes(file.bytes)}{checked}{original}{largest}{same}{micro}")
    if done.steps:
        common.to_stdout(f"\n{steps_table(done.steps)}\n")
        names = {step.name.removeprefix("int8, ") for step in done.steps}
        form = "onnxruntime" if "onnx" in asked.to else "PyTorch"
        by = {"pte": "ExecuTorch", "tflite": "LiteRT"}
        others = [f"; those of {name} by {its}, image by image" for name, its in by.items() if name in names]
        said = "".join(others)
        common.to_stdout(f"accuracy and images/s by {form}, batches of 100, on {asked.threads} CPU thread(s){said}")
