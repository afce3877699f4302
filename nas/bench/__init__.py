"""`nas bench`: whole searches on tables of results (`searches`), many of them at once (`runs`), and what they show."""
