"""What every room needs: errors, limits, the clock, supervised tasks."""
