"""Which resource refers to which: names of fields propose, values confirm."""
