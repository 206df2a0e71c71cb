"""`python -m gateway.cli`: how `kith serve` starts its children, whatever is on the path."""

from gateway.cli.command import main

if __name__ == "__main__":
    main()
