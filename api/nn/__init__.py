"""Neural networks: modules, functions, initialisation."""

from segue.eager.nn import (
    ELU, GELU, AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, BCELoss, BCEWithLogitsLoss, Conv2d, CrossEntropyLoss, Dropout, Embedding,
    Flatten, GroupNorm, HuberLoss, Identity, L1Loss, LayerNorm, LeakyReLU, Linear, LogSoftmax, MaxPool2d, Module, ModuleDict, ModuleList, MSELoss,
    MultiheadAttention, NLLLoss, Parameter, ParameterList, ReLU, RMSNorm, Sequential, Sigmoid, SiLU, SmoothL1Loss, Softmax, Softplus, Tanh,
)  # fmt: skip

from . import functional, init, parameter, utils

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Conv2d", "CrossEntropyLoss", "Dropout", "ELU",
    "Embedding", "Flatten", "GELU", "GroupNorm", "HuberLoss", "Identity", "L1Loss", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss",
    "MaxPool2d", "Module", "ModuleDict", "ModuleList", "MultiheadAttention", "NLLLoss", "Parameter", "ParameterList", "RMSNorm", "ReLU", "Sequential",
    "SiLU", "Sigmoid", "SmoothL1Loss", "Softmax", "Softplus", "Tanh", "functional", "init", "parameter", "utils",
]  # fmt: skip
