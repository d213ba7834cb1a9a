"""A repair rehearsed before it is let loose: what remediation attempted in a run, healed, was refused and made worse, day by day; and why each
account that still drifts has stayed.
"""

from billsim.rehearsal.choosing import chosen, ruled
from billsim.rehearsal.figures import figures
from billsim.rehearsal.nights import night_figures
from billsim.rehearsal.tally import Tally, attend
from billsim.rehearsal.telling import days_table, lines, reasons_table

__all__ = ["Tally", "attend", "chosen", "days_table", "figures", "lines", "night_figures", "reasons_table", "ruled"]
