"""Values: what the symbolic interpreter knows about an object, one module for each kind of object."""
