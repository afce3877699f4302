"""A search: what is planned, asked, told, shown, and when it ends."""
