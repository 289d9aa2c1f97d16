"""An original Baichuan2-7B checkpoint as a plain Llama, once, so that no remote code ever runs."""
