"""What a network sees: its filters, what excites them, its classes, and where it looks on a photograph."""
