"""The options of commands and functions, each declared once; nothing here needs torch."""
