"""The command line: the application, its input, and what it prints."""
