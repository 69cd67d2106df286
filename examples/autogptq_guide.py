"""AutoGPTQ's guide with its imports changed and nothing else: log in, quantize, save, load, chat.

Run it in the repository's root, where models/demo is; any Hub name of a supported model works in its place.
"""

from gptq import AutoGPTQForCausalLM, AutoTokenizer, BaseQuantizeConfig, login

login("your_read_token_here")

pretrained_model_dir = "models/demo"
quantized_model_dir = "demo_gptq_quant"

tokenizer = AutoTokenizer.from_pretrained(pretrained_model_dir, use_fast=True)
examples = [
    tokenizer(
        "auto-gptq is an easy-to-use model quantization library with user-friendly apis, based on the GPTQ algorithm."
    )
]

quantize_config = BaseQuantizeConfig(
    bits=4,  # quantize to 4 bits
    group_size=128,  # the recommended value
    desc_act=False,  # False is faster in most programs, at slightly higher perplexity
)

model = AutoGPTQForCausalLM.from_pretrained(pretrained_model_dir, quantize_config=quantize_config)
model.quantize(examples)
model.save_quantized(quantized_model_dir)
tokenizer.save_pretrained(quantized_model_dir)
model.save_quantized(quantized_model_dir, use_safetensors=True)

model = AutoGPTQForCausalLM.from_quantized(quantized_model_dir, device="cuda:0")
tokenizer = AutoTokenizer.from_pretrained(quantized_model_dir)

conversation = [{"role": "user", "content": "How are you today?"}]
prompt = tokenizer.apply_chat_template(conversation=conversation, tokenize=False, add_generation_prompt=True)
inputs = tokenizer(prompt, return_tensors="pt")
inputs = inputs.to("cuda:0")

outputs = model.generate(**inputs, max_new_tokens=32)
response = tokenizer.decode(outputs[0], skip_special_tokens=True)
print(response)
