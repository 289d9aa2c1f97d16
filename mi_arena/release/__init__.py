"""The public dataset: what of the study's records anybody may have, masked, and how it gets out."""
