"""Mixed precision: which operators run in which dtype under autocast, and the scaler of losses whose gradients would vanish in float16."""
