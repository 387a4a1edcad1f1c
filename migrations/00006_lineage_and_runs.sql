-- +goose Up

-- Who made a space from what, how it compared, as JSON.
ALTER TABLE embedding_space ADD COLUMN lineage jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(lineage) = 'object');

-- Long work: a training, a re-embedding. The process that holds the run's advisory lock does it.
CREATE TABLE run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind smallint NOT NULL CHECK (kind > 0), -- vitrine.v1.RunKind
    order_json jsonb NOT NULL CHECK (jsonb_typeof(order_json) = 'object'), -- what was asked for
    state smallint NOT NULL CHECK (state > 0), -- vitrine.v1.RunState
    stage text NOT NULL DEFAULT '',
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0, -- 0: not known
    outcome jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(outcome) = 'object'),
    error text NOT NULL DEFAULT '',
    request_id uuid UNIQUE,
    digest bytea CHECK (octet_length(digest) = 32), -- SHA-256 of the request
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    start_time timestamptz,
    end_time timestamptz
);
CREATE INDEX run_open ON run (run_id) WHERE end_time IS NULL;

-- +goose Down

DROP TABLE run;
ALTER TABLE embedding_space DROP COLUMN lineage;
