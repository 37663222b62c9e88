"""`python -m jpegfilter`."""

from jpegfilter.cli.main import main

if __name__ == "__main__":
    main()
