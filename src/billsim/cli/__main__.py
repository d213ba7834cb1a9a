"""`python -m billsim.cli` is `billsim`."""

from billsim.cli import main

main()
