#!/usr/bin/env python3
"""Writes vocab.txt and golden.json: what the reference tokenizer makes of many texts.

usage: make_golden.py TOKENIZER.json

TOKENIZER.json is that of all-MiniLM-L6-v2 (Apache-2.0; ../../../../models/fetch_minilm.py fetches it), whose vocabulary is
that of bert-base-uncased. golden.json also holds, for every 256 characters of Unicode's first two planes and some more, a digest of the ids of each of
them that this Python knows, between two letters.

Made with: pip install tokenizers==0.23.3 && python3 make_golden.py all-minilm-l6-v2-tokenizer.json
"""
import hashlib
import json
import os
import sys
import unicodedata

import tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 64
TEXTS = [
    "", " ", "a", "Hello, world!", "Blue ceramic vase, hand-painted", "Vase en céramique bleue peinte à la main", "ÀÉÎÕÜ àéîõü Ångström naïve façade",
    "Stilleben mit Äpfeln und Weintrauben (Öl auf Leinwand), 1887", "STRASSE Straße STRAẞE", "İstanbul'da bir sabah", "Ελληνικά: η Ακρόπολη των Αθηνών ΟΔΟΣ",
    "Портрет молодой женщины, холст, масло; ЁЛКА ёлка Йод", "浮世絵 神奈川沖浪裏 葛飾北斎", "富嶽三十六景のひとつ、カタカナ ｶﾀｶﾅ ひらがな がぎぐげご", "清明上河图 — 张择端", "도자기 꽃병 한국", "รูปวาดช้าง",
    "चित्रकला नमस्ते", "لوحة زيتية خَطّ عربي", "ציור שמן שָׁלוֹם", "tranh sơn dầu Việt Nam", "unaffable unwantedly antidisestablishmentarianism", "e-mail: a.b@c-d.example, 3,5 × 4,2 cm; £12.99 €20 ¥300",
    "1887–1890 'quoted' “curly” ‘single’ «guillemets» … — –", "a\tb\nc\rd\u00a0e\u2003f\u3000g\u2028h", "zero\u200bwidth\u200djoin\ufeffbom soft\u00adhyphen", "null\x00byte bell\x07 esc\x1b[0m nel\u0085x vt\x0bff\x0c",
    "replacement \ufffd character", "emoji 😀 👩‍🎨 🇫🇷 ❤️ ☕", "math 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝓈𝒸𝓇𝒾𝓅𝓉 ½ ² ³ ℃ №", "combining e\u0301 a\u0308 o\u0302\u0301 n\u0303 \u0301lead", "ﬁne ﬂow ﬀ ǆ Ǆ ǅ",
    "x" * 100, "x" * 101, "é" * 100, "a" * 99 + " " + "b" * 101 + " c", "word " * 100, "supercalifragilisticexpialidocious " * 20, "...!!!???", "#hashtag @mention $5 50% a^b ~x `y` |z|",
    "[CLS] and [SEP] and [MASK] [PAD] [UNK]", "[cls] [ SEP ]", "x[SEP]y", "[[SEP]]", "snake_case camelCase kebab-case path/to/file.txt", "don't can't it's O'Neill", "3.14 1,000,000 10:30 2024-05-17",
    "Cafe\u0301 Café CAFÉ", "ＦＵＬＬ ｗｉｄｔｈ １２３", "Ⅷ ⅷ ① ㎏ ㍿", "ß ẞ ſ ŉ ı", "Ω Ω K Å", "\U00020000\U0002a6d6\U0002b740\uf900\ufa0e", "\U0001f9d1\u200d\U0001f3a8 artist", "tab\t\ttab  double  space", "ᏣᎳᎩ ꭰꭱ Ა ა",
    "one\u0000two", "ａ́ ́", "y̆ й й", "각 각", "क़ क़", "Signed lower right: P. Cézanne; 65 × 81 cm (25½ × 32 in.)", "New in: men’s T‑shirt, 100% cotton, size XL", "LEGO® Star Wars™ 75192",
]


def ids(tokenizer, text):
    return tokenizer.encode(text).ids


def main():
    tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
    tokenizer.no_padding()
    vocab = sorted(tokenizer.get_vocab().items(), key=lambda e: e[1])
    assert [i for _, i in vocab] == list(range(len(vocab)))
    with open(os.path.join(HERE, "vocab.txt"), "w", encoding="utf-8", newline="\n") as f:
        f.write("".join(token + "\n" for token, _ in vocab))
    tokenizer.enable_truncation(LIMIT)
    texts = [{"text": text, "ids": ids(tokenizer, text)} for text in TEXTS]
    tokenizer.no_truncation()
    assigned, blocks = [], {}
    for start in [*range(0, 0x20000, 256), *range(0x20000, 0x20400, 256), *range(0x2f800, 0x2fb00, 256), *range(0xE0000, 0xE0200, 256), 0xF0000]:
        rows = []
        for c in range(start, start + 256):
            if unicodedata.category(chr(c)) in ("Cs", "Cn"):
                continue
            if assigned and assigned[-1][1] == c - 1:
                assigned[-1][1] = c
            else:
                assigned.append([c, c])
            rows.append("%x:%s;" % (c, ",".join(map(str, ids(tokenizer, "a" + chr(c) + "b")))))
        if rows:
            blocks[str(start)] = hashlib.sha256("".join(rows).encode()).hexdigest()[:12]
    out = {"made_with": "tokenizers " + tokenizers.__version__, "unicode": unicodedata.unidata_version, "limit": LIMIT, "texts": texts,
           "assigned": " ".join("%x-%x" % (a, b) for a, b in assigned), "blocks": blocks}
    with open(os.path.join(HERE, "golden.json"), "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
