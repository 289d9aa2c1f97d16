"""Everything that imports gradio: a file per page, texts in zh and en, no rules of the study."""
