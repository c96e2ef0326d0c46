"""Let `python -m stocktake` do what the console script does."""

from stocktake.serve.cli import main

if __name__ == "__main__":
    main()
