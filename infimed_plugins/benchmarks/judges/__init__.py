"""Models as judges: of open answers and of clinical skills, and how far they agree with rules and people."""
