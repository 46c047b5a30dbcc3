"""What the registry keeps when clients, processes and disks fail under it."""
