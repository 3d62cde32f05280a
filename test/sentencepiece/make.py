"""Makes the models and expected.json of this folder with SentencePiece 0.2.2: python3 make.py CORPUS.

CORPUS is any text of a few hundred lines (here: captions in German, novels in English). The models keep only the
fields that Tesserae reads; write them back through the schema of src/text/sentencepiece-file.ts.
"""

import json
import sys

import sentencepiece

RULES = [
    ("ﬁ", "fi"), ("Ａ", "A"), ("ｂ", "b"), ("e\u0301", "é"), ("①", "1"), ("①②", "12"), ("\t", " "),
    ("\u00a0", " "), ("\u3000", " "), ("\u200b", ""), ("½", "1/2"), ("…", "..."),
]  # fmt: skip
MODELS = {
    "unigram": dict(model_type="unigram", user_defined_symbols=["<sep>"], vocab_size=180),
    "unigram-bytes": dict(model_type="unigram", byte_fallback=True, vocab_size=420),
    "bpe": dict(model_type="bpe", vocab_size=180),
}
TEXTS = [
    "Hello world",
    "Ein Hund läuft durch das Gras.",
    "  two   spaces  ",
    "",
    "   ",
    "ﬁnd Ａｂ e\u0301t\u0301 ①② ①③ ½ …",
    "tab\tnew\u00a0x\u3000y \u200b z",
    "我我们 你 😀",
    "a<sep>b <sep> c<sep>",
    "Zwei Männer stehen am Herd und bereiten Essen zu.",
    "<0x41>",
]

with open("rules.tsv", "w") as file:
    for rule in RULES:
        file.write("\t".join(" ".join(f"{ord(char):X}" for char in part) for part in rule) + "\n")

expected = []
for name, options in MODELS.items():
    sentencepiece.SentencePieceTrainer.train(
        input=sys.argv[1], model_prefix=name, pad_id=3, normalization_rule_tsv="rules.tsv",
        character_coverage=0.99, **options,
    )  # fmt: skip
    model = sentencepiece.SentencePieceProcessor(model_file=f"{name}.model")
    cases = [{"text": text, "ids": model.encode(text), "decoded": model.decode(model.encode(text))} for text in TEXTS]
    expected.append({"model": name, "cases": cases})
with open("expected.json", "w") as file:
    json.dump(expected, file, ensure_ascii=False, indent=1)
