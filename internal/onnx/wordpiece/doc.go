// Package wordpiece turns text into the token ids that BERT and its relatives, MiniLM among
// them, were trained on.
//
// It reads a tokenizer.json of the Hugging Face tokenizers library or a plain vocab.txt, and does
// what that library's BertNormalizer, BertPreTokenizer, WordPiece and BERT template do: text is
// cleaned, lower-cased and rid of accents, split at spaces, punctuation and between Chinese
// characters, and each word is cut greedily into the longest pieces that the vocabulary has
// (Schuster & Nakajima 2012; Devlin et al. 2019). It trains nothing and knows no other scheme.
//
// Invariant: Encode never answers more ids than asked for, whatever the text, and each is a
// row of the vocabulary.
package wordpiece
