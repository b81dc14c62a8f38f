"""The experiment folders of AMD-AGI/ReasonLite."""
