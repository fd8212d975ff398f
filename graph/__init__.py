"""The graph IR and all that is done to a graph.


"""
