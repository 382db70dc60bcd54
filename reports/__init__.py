"""Statistics, tables and plots of a results folder. They read its rows and nothing else."""
