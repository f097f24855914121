"""The program that made the present ledger is of the commit that it names, whose modules it imports."""

collect_ignore = ["make_present_ledger.py"]
