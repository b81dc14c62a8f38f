"""Tables and folders on the disk, and what DVC records of them."""
