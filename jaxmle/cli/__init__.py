"""The command line: the application, what it is given and what it prints."""
