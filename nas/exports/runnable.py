"""The formats whose files compute logits by themselves, by the endings of their names."""

from __future__ import annotations

from nas.exports.formats import PROGRAMS, Runnable, unchecked
from nas.exports.pte import PTE, pte_metadata, run_pte
from nas.exports.tflite import TFLITE, run_tflite, tflite_metadata

RUNNABLE: dict[str, Runnable] = {
    **PROGRAMS,
    PTE: Runnable(run_pte, pte_metadata, unchecked),
    TFLITE: Runnable(run_tflite, tflite_metadata, unchecked),
}
