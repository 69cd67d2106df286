"""`python -m gptq ...` is the program `gptq`."""

from _gptq_program import main

main()
