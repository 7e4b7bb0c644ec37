"""`Fit`, what a person sees of a solution: selection, columns, text, HTML and files."""
