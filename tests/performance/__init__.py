"""What operations cost, in counts that no machine changes."""
