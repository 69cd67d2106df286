// The default calibration text, data/calibration.txt.gz, as bytes between two symbols.
    .section .rodata
    .global gptq_default_calibration_begin
    .global gptq_default_calibration_end
gptq_default_calibration_begin:
    .incbin GPTQ_CALIBRATION
gptq_default_calibration_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
