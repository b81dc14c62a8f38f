"""Publishing: SFT sets as a data set of the hub, trained students as model folders."""
