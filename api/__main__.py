"""`python -m api` does what the `moorage` command does."""

from api.commands import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
