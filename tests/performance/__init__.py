"""What operations cost, in counts that do not depend on the machine."""
