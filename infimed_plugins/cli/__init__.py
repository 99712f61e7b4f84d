"""The command line, ``infimed``: one file for each group of commands; each parses, calls and prints, and no more."""
