"""Whether the present code makes the outs that a stage left: made anew beside the project, and compared."""
