"""`python -m hairpin` is the same as `hairpin`."""

from hairpin.cli import main

main()
