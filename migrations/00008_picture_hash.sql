-- +goose Up

-- A difference hash of the picture as the encoder saw it, by which copies are recognised. Null: not known,
-- computed from the picture when it is needed.
ALTER TABLE encoder_output ADD COLUMN picture_hash bytea CHECK (octet_length(picture_hash) = 32);

-- +goose Down

ALTER TABLE encoder_output DROP COLUMN picture_hash;
