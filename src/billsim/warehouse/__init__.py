"""What production sees: nightly mirrors of the stores, Dataform views over them, and how much of the truth these find."""
