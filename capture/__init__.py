"""From running bytecode to a guarded graph: frame hook, symbolic interpreter, guards, segue.compile."""
