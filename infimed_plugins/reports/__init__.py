"""Numbers with their uncertainty, and pages to look at."""
