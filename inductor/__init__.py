"""From a graph to fused C++: lowering, scheduling, memory plan, code, build, cache, launch."""
