"""`python -m segue.torch script.py args...` runs a script written for PyTorch."""

from segue.tools.torch_names import main

raise SystemExit(main())
