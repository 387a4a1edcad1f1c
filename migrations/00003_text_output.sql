-- +goose Up

-- Raw outputs of text encoders, of title and description. An output is of the text it names: one
-- whose digest is not that of the item's text is out of date and counts as missing.
CREATE TABLE text_output (
    item_id text COLLATE "C" NOT NULL REFERENCES item ON DELETE CASCADE,
    encoder text COLLATE "C" NOT NULL CHECK (encoder <> ''), -- name@version
    text_digest bytea NOT NULL CHECK (octet_length(text_digest) = 32), -- SHA-256
    output bytea NOT NULL CHECK (octet_length(output) > 0 AND octet_length(output) % 4 = 0), -- float32, little-endian
    PRIMARY KEY (item_id, encoder)
);
ALTER TABLE text_output ALTER COLUMN output SET STORAGE EXTERNAL;

-- +goose Down

DROP TABLE text_output;
