"""Rules by which replies are judged in an evaluation; one file for each set of rules."""
