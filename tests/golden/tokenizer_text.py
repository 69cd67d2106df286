"""The text that the golden tokenizers are trained on, and the texts that their vectors encode."""

CORPUS = """
The quick brown fox jumps over the lazy dog, and then it does it again. Nobody had asked it to, but it didn't mind.
She's sure they've seen it; I'm not. We'll see what they're doing, he'd said, and that's that. IT'S LATE, DON'T WAIT.
Quantization maps the weights of a model to small integers. A group of weights shares one scale and one zero point.
The tokenizer splits the text into words, and the words into tokens; the tokens are numbers. Numbers like 1, 22, 333, 4444.
In 1998 there were 12,345 of them; by 2024 there were 1,234,567.89 (or 3.14159 times 10^5).
Le garçon a mangé une crème brûlée à Besançon, près de l'église. Où êtes-vous allés? À Noël, c'était déjà l'été.
Über den Wäldern liegt Nebel; die Straße führt nach Köln. Größe, Öl, ähnlich, süß. El niño comió piñas en España.
Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy. İstanbul'da güneş doğuyor. Đây là tiếng Việt.
Привет, мир! Как дела? Это небольшой текст для обучения. Γειά σου, κόσμε. Καλημέρα.
日本語の文章です。東京は日本の首都です。今日は天気がいいですね。漢字とひらがなとカタカナ。
你好,世界!今天的天气很好。我们正在学习分词。中文没有空格。 안녕하세요 세계. 한국어 문장입니다.
สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง مرحبا بالعالم. هذه جملة قصيرة. שלום עולם. नमस्ते दुनिया।
Hello 😀 world 🎉! Thumbs up 👍🏽, a family 👩‍👩‍👧‍👦, a flag 🇩🇪, a heart ❤️. ☕ ★ ✓ → ∞ ≤ ≠ € £ © ®
Das Waſſer iſt ſtill; ſtets ſteht 'ſtund ſtill, 'ſtadt, deſto, 'ſtrom, ſo ſei es, 'ſo 'ſei. ᠮᠣᠩᠭᠣᠯ ᠤᠨ\u180eᠠ \u180eᠠ \u180eᠤ ᠠ\u180e
def main(argc, argv):
    for i in range(10):
        print(f"{i}: {argv[i]!r}")  # a comment
        if (x == y and not z) or a[i] != b[j]:
            return {"key": [1, 2, 3], 'other': None}
int main(int argc, char** argv) { std::vector<int> v{1, 2, 3}; for (auto& x : v) x += 1; return v.size() > 2 ? 0 : 1; }
<html><body class="main">&nbsp;<a href="https://example.org/path?q=1&r=2#top">link</a></body></html>
SELECT name, COUNT(*) FROM users WHERE id >= 100 GROUP BY name ORDER BY 2 DESC;
camelCase snake_case SCREAMING_CASE kebab-case HTTPServer parseJSONValue iPhone eBay McDonald LaTeX
    four spaces        eight spaces	tab		two tabs

an empty line above, and trailing spaces here   
"""

LONG_WORD = "pneumonoultramicroscopicsilicovolcanoconiosis" * 12

TEXTS = [
    "",
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\n\n\n",
    "\r\n",
    "a\r\nb\r\n\r\nc\rd",
    " leading",
    "  two leading",
    "trailing ",
    "trailing two  ",
    " both ",
    "two  spaces   three    four",
    "tab\tseparated\t\tvalues\t",
    "line one\nline two\n\n  indented\n\t\ttabs \n \n",
    "def f(x):\n    return x + 1  # comment\n\n\n",
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "she's they've I'm we'll they're he'd it's don't",
    "SHE'S THEY'VE I'M WE'LL THEY'RE HE'D IT'S DON'T",
    "She'S they'VE i'M We'Ll o'clock 'tis ''s 's ' '",
    "it\u2019s don\u2019t",
    "'\u017f he'\u017f \u017ft \u017f\u017f he'\u017ft '\u017ftill we'\u017fo",
    "0 1 12 123 1234 12345 1234567890 3.14159 1,000,000",
    "x1y22z333 4four 5\u00b2 \u00bd \u2167 \u0663\u0664 \u0967\u0968",
    "café naïve Ångström",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m",
    "\u0301leading mark, a\u0323\u0307 a\u0307\u0323 \u1e69 s\u0323\u0307",
    "\u212b \u2126 \ufb01 \u00bc \u3392 \uff21\uff22\uff23 \u1100\u1161\u11a8 \uac01",
    "Straße GROSSE ẞ İstanbul ıI",
    "Zażółć gęślą jaźń, žluťoučký kůň",
    "Привет, мир! Как дела?",
    "Γειά σου Κόσμε ΣΊΣΥΦΟΣ σίσυφος",
    "日本語の文章です。",
    "你好,世界!我们 在 学习。",
    "안녕하세요 세계",
    "สวัสดีชาวโลก ๑๒๓",
    "مرحبا بالعالم ١٢٣، كيف الحال؟",
    "שלום עולם \u200fabc\u200e",
    "नमस्ते दुनिया। क्षत्रिय",
    "mixed日本語and中文русскийtext한국어😀end",
    "😀",
    "👩\u200d👩\u200d👧\u200d👦 👍🏽 🇩🇪🇫🇷 ❤\ufe0f 1\ufe0f\u20e3",
    "🤷🏿\u200d♀\ufe0f text 🎉🎉🎉",
    "a\u180eb \u180e c \u180e\u1820 \u180e",
    "a\u00a0b\u00a0\u00a0c \u00a0 d",
    "a\u2028b\u2029c\u0085d\u000be\u000cf",
    "\u2003em\u2003space\u3000ideographic\u202fnarrow\u205fmath\u1680ogham",
    "zero\u200bwidth\u200cjoin\u200der\u2060word\ufeffbom",
    "\ufeffbom first",
    "nul\x00 bell\x07 esc\x1b[31m del\x7f c1\x9f",
    "\x01\x02\x03\x1c\x1d\x1e\x1f",
    "private \ue000 \U000f0000 noncharacter \ufffe \uffff last \U0010ffff replacement \ufffd",
    "\U00020000\U0002a6d6 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈",
    "!@#$%^&*()_+-=[]{}|;':\",./<>?`~",
    "...!!!???---===###***",
    "a/b//c\\d https://example.org/x?y=1&z=2#top me@example.org",
    "x==y!=z<=w>=v&&u||t",
    "camelCase HTTPServer parseJSONValue XMLHttpRequest iPhone eBay ABCdefGHI aB Ab AB ab",
    "_under __dunder__ snake_case-kebab",
    "\u2581 \u2581\u2581a \u2581word a\u2581b",
    "Ġ Ċ ĉ Ġthe â",
    "<0x0A> <0xE2><0x82><0xAC> <0xZZ>",
    "unreachable unreachable",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    LONG_WORD,
    " " * 70 + "x" + "\n" * 40,
    "\u0130\u0307 \u01c5 \u02b0 \u16ee \u2460 \u24b6 \u0903 \u20dd",
]


def special_texts(first, second):
    """Texts with the control tokens `first` and `second` in every position that goes wrong somewhere."""
    return [
        first,
        first + second,
        first + first,
        f"{first} {second}",
        f" {first} ",
        f"before{first}after",
        f"before {first} after",
        f"before  {first}\n\n{second}  after",
        f"{first}word word{second}",
        f"{first}\t{second}\n",
        f"{first[:-1]} {first[1:]}",
        f"{first[:-1]}{first}",
        f"café{first}日本{second}😀",
        f"e{first}\u0301 {second}\u0301",
    ]
