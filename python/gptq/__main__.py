"""`python -m gptq ...` is the program `gptq`."""

from _gptq_native import main

main()
