"""Problems and data sets from the hub, from files and from generators."""
