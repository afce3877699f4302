"""The formats whose files compute logits by themselves, by the endings of their names."""

from __future__ import annotations

from nas.exports.formats import PROGRAMS, Runnable, unchecked
from nas.exports.tflite import run_tflite, tflite_metadata

RUNNABLE: dict[str, Runnable] = {**PROGRAMS, "tflite": Runnable(run_tflite, tflite_metadata, unchecked)}
