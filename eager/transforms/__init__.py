"""Function transforms: levels of wrapped arrays under tensors (batches, tangents) and the tape seen as a function (gradients)."""
