"""What values may be, of options and in files: declared once, checked before they are used."""
