"""The symbolic interpreter: it runs bytecode over what is known of each value, and leaves a graph, guards and new bytecode."""
