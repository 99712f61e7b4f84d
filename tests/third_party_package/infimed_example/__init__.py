"""What another project adds to infimed_plugins: one file for a reward, one for data."""
