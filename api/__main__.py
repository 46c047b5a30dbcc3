"""The `moorage` command and `python -m api` start here."""

import gc

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments of this process name."""
    # Modules stay until the process ends. To look for garbage among them while they are imported,
    # and once more at the end, took a third of the CPU of a command that does nothing else.
    gc.disable()
    from api import commands  # noqa: PLC0415 - so that nothing is looked through meanwhile

    gc.freeze()
    gc.enable()
    commands.main()


if __name__ == "__main__":
    main()
