"""The groups that options stand in where `--help` lists them."""

SPACE = "What to search"
NETWORKS = "Networks"
GROWTH = "How large"
COEFFICIENTS = "What alpha, beta and gamma are"
GRID = "The grid of --search"
LENGTHS = "Trainings to compare"
FORMATS = "What to write"
CHANGES = "Smaller and faster"
SHAPE = "Classes and pixels"
SEEING = "What to look at"
DATA = "Data"
SEARCHING = "How to search"
GOAL = "What to optimise"
MEASURING = "What a network costs on a device"
TRAINING = "How to train"
START = "Which weights to start from"
COMPARISON = "What else to compare"
MACHINE = "What to run on"
OPENING = "What a file may do"
OUTPUT = "Output"

ORDER = (
    SPACE, NETWORKS, FORMATS, SEEING, GROWTH, COEFFICIENTS, SHAPE, CHANGES, SEARCHING, LENGTHS, COMPARISON, DATA, GOAL,
    MEASURING, GRID, TRAINING, START, MACHINE, OPENING, OUTPUT,
)  # fmt: skip
"""As they stand below one another; those of a command's own stand before them."""


def place(panel: str) -> int:
    """Where the options of a `panel` stand: those of a command's own first."""
    return ORDER.index(panel) if panel else -1
