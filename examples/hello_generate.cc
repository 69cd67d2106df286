// Asks a model one question and streams the answer: hello_generate MODEL QUESTION
#include <cstdio>

#include <gptq/gptq.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: hello_generate MODEL QUESTION\n");
    return 2;
  }
  try {
    gptq::Engine engine = gptq::Engine::open(argv[1]);

    // Models made for conversations have a template; others continue the text as it is.
    gptq::Request request;
    if (const gptq::ChatTemplate* chat = engine.chat_template()) {
      request.tokens = engine.tokenizer().encode(chat->render({{"user", argv[2]}}));
    } else {
      request.tokens = engine.tokenizer().encode(argv[2]);
    }
    request.max_new_tokens = 64;
    request.sampling = engine.default_sampling();

    const gptq::Result result = engine.generate(request, [](const std::string& piece) {
      std::fputs(piece.c_str(), stdout);
      std::fflush(stdout);
      return true;
    });
    std::printf("\n[%d tokens, %.1f tokens/s]\n", result.new_tokens, result.tokens_per_second());
    return 0;
  } catch (const gptq::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
