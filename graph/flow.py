"""A minimum cut in a network of edges with capacities.

In come vertices (numbers), edges and how much each can carry; out come the vertices on the sink's side of the lightest cut, of all lightest cuts the one
nearest to the sink. The one idea: flow goes along shortest paths only, counted from the sink, so the last count, which no longer meets the source, is the cut.

Source: E. A. Dinic, Algorithm for solution of a problem of maximum flow in networks with power estimation, 1970.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

UNLIMITED = math.inf


class Network:
    """Vertices 0 .. count - 1 and the edges between them. Edge `e` and its reverse `e ^ 1` stand side by side; `room` is what each can still carry.

    >>> network = Network(4)
    >>> for edge in ((0, 1, UNLIMITED), (1, 2, 8), (2, 3, 5)):
    ...     network.edge(*edge)
    >>> sorted(network.cut(0, 3))
    [3]
    """

    def __init__(self, count: int) -> None:
        self.leaving: list[list[int]] = [[] for _ in range(count)]
        self.head: list[int] = []
        self.room: list[float] = []

    def edge(self, tail: int, head: int, capacity: float = UNLIMITED) -> None:
        """Let `capacity` (at least 0) flow from tail to head."""
        self.leaving[tail].append(len(self.head))
        self.leaving[head].append(len(self.head) + 1)
        self.head += (head, tail)
        self.room += (capacity, 0)

    def cut(self, source: int, sink: int) -> set[int]:
        """The vertices from which the sink can be reached when the network is full. Raises ValueError where the flow has no limit."""
        while True:
            distance = self._distances(sink)
            if distance[source] < 0:
                return {vertex for vertex, far in enumerate(distance) if far >= 0}
            self._fill(source, sink, distance)

    def _distances(self, sink: int) -> list[int]:
        """For each vertex the number of edges with room on the way to the sink; -1 where there is no way."""
        head, room = self.head, self.room
        distance = [-1] * len(self.leaving)
        distance[sink] = 0
        waiting = [sink]
        for vertex in waiting:  # grows while it is walked
            for edge in self.leaving[vertex]:
                tail = head[edge]
                if distance[tail] < 0 and room[edge ^ 1] > 0:
                    distance[tail] = distance[vertex] + 1
                    waiting.append(tail)
        return distance

    def _fill(self, source: int, sink: int, distance: Sequence[int]) -> None:
        """Send flow along shortest paths until none of them has room."""
        head, room = self.head, self.room
        tried = [0] * len(self.leaving)  # edges of each vertex that lead nowhere by now
        path: list[int] = []
        vertex = source
        while True:
            if vertex == sink:
                vertex = self._send(path)
            edges = self.leaving[vertex]
            nearer = distance[vertex] - 1
            while tried[vertex] < len(edges):
                edge = edges[tried[vertex]]
                if room[edge] > 0 and distance[head[edge]] == nearer:
                    path.append(edge)
                    vertex = head[edge]
                    break
                tried[vertex] += 1
            else:
                if not path:
                    return
                vertex = head[path.pop() ^ 1]
                tried[vertex] += 1

    def _send(self, path: list[int]) -> int:
        """Send what a path can carry, and go back to its first vertex behind which there is no room left."""
        room = self.room
        least = min(room[edge] for edge in path)
        if least == UNLIMITED:
            raise ValueError("the flow from source to sink has no limit")
        for edge in path:
            room[edge] -= least
            room[edge ^ 1] += least
        full = next(place for place, edge in enumerate(path) if room[edge] == 0)
        vertex = self.head[path[full] ^ 1]
        del path[full:]
        return vertex


__all__ = ["Network", "UNLIMITED"]
