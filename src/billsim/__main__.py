"""`python -m billsim`: the command line, for where its script is not on the path."""

from billsim.cli import main

main()
