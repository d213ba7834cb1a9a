"""What views make of a run: its mirrors are kept, views look at them night by night, and the truth, which only a simulation has, marks them."""
