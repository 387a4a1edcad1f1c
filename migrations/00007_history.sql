-- +goose Up

-- From when an item has what features are made of: title, description, attributes and picture.
-- Registering the same again moves update_time and seq, and leaves this.
ALTER TABLE item ADD COLUMN value_time timestamptz NOT NULL DEFAULT now();
UPDATE item SET value_time = update_time;

-- What items were before, so that features can be read as of a time: one row for each version
-- that was replaced or deleted since this table exists. Append-only. A version held from
-- value_time, inclusive, to end_time, exclusive.
CREATE TABLE item_history (
    item_id text COLLATE "C" NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    attributes jsonb NOT NULL,
    image_digest bytea, -- its picture may be gone; its raw outputs are not
    create_time timestamptz NOT NULL,
    value_time timestamptz NOT NULL,
    end_time timestamptz NOT NULL,
    seq bigint NOT NULL, -- the change that last wrote the version
    PRIMARY KEY (item_id, seq)
);
CREATE INDEX item_history_image_digest ON item_history (image_digest) WHERE image_digest IS NOT NULL;

-- Every time an embedding space or a factor model went live. kind is that of catalog_change.
CREATE TABLE activation (
    seq bigint PRIMARY KEY, -- of the catalogue log
    kind smallint NOT NULL CHECK (kind IN (2, 3)),
    subject bigint NOT NULL, -- space_id or model_id; a model may be gone
    activate_time timestamptz NOT NULL
);
-- Of what happened before, only the last activation of what is live now is sure.
INSERT INTO activation (seq, kind, subject, activate_time)
    SELECT c.seq, c.kind, e.space_id, e.activate_time
    FROM setting s JOIN embedding_space e ON e.space_id = s.active_space_id
    JOIN catalog_change c ON c.kind = 2 AND c.subject = e.space_id::text
    UNION ALL
    SELECT c.seq, c.kind, m.model_id, m.activate_time
    FROM setting s JOIN factor_model m ON m.model_id = s.active_model_id
    JOIN catalog_change c ON c.kind = 3 AND c.subject = m.model_id::text;

-- +goose Down

DROP TABLE activation, item_history;
ALTER TABLE item DROP COLUMN value_time;
