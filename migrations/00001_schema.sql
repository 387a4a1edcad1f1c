-- +goose Up

-- Text that names something compares byte by byte (COLLATE "C"): pages come in the order every
-- client can compute, whatever the server's locale, and an operating-system update of locales
-- cannot break an index.

-- The two change logs. Every transaction that changes something takes the next number of its
-- log, so numbers have no gaps and are in the order of commits. A follower that has not seen
-- reload_below yet cannot catch up from the log and loads everything.
CREATE TABLE change_counter (
    log text COLLATE "C" PRIMARY KEY CHECK (log IN ('catalog', 'interaction')),
    seq bigint NOT NULL CHECK (seq >= 0),
    reload_below bigint NOT NULL DEFAULT 0 CHECK (reload_below <= seq)
);
INSERT INTO change_counter (log, seq) VALUES ('catalog', 0), ('interaction', 0);

-- Pictures as they came, kept so that another encoder can embed them later.
CREATE TABLE image (
    image_digest bytea PRIMARY KEY CHECK (octet_length(image_digest) = 32), -- SHA-256
    image_bytes bytea NOT NULL
);
ALTER TABLE image ALTER COLUMN image_bytes SET STORAGE EXTERNAL; -- compressed already

-- Raw encoder outputs. No foreign key to image: its check would lock the image row before the
-- change counter is taken, against the order in which rows are locked.
CREATE TABLE encoder_output (
    image_digest bytea NOT NULL CHECK (octet_length(image_digest) = 32),
    encoder text COLLATE "C" NOT NULL CHECK (encoder <> ''), -- name@version
    output bytea NOT NULL CHECK (octet_length(output) > 0 AND octet_length(output) % 4 = 0), -- float32, little-endian
    PRIMARY KEY (image_digest, encoder)
);
ALTER TABLE encoder_output ALTER COLUMN output SET STORAGE EXTERNAL;

CREATE TABLE item (
    item_id text COLLATE "C" PRIMARY KEY CHECK (octet_length(item_id) BETWEEN 1 AND 256),
    title text NOT NULL,
    description text NOT NULL,
    attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'), -- name → {"labels": […]} | {"number": …} | {"text": …}
    available_time timestamptz, -- null: at once
    expire_time timestamptz, -- null: never
    hidden boolean NOT NULL,
    image_digest bytea REFERENCES image, -- null: no picture
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0) -- the catalogue change that last wrote it
);
CREATE INDEX item_seq ON item (seq);
CREATE INDEX item_image_digest ON item (image_digest) WHERE image_digest IS NOT NULL;

CREATE TABLE embedding_space (
    space_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    encoder text COLLATE "C" NOT NULL,
    dims integer NOT NULL CHECK (dims > 0),
    recipe bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    activate_time timestamptz -- when it last went live; null: never
);

-- A stored vector belongs to the item as it is now: who replaces an item removes its vectors
-- in all other spaces.
CREATE TABLE item_vector (
    item_id text COLLATE "C" NOT NULL REFERENCES item ON DELETE CASCADE,
    space_id bigint NOT NULL REFERENCES embedding_space ON DELETE CASCADE,
    vector bytea NOT NULL CHECK (octet_length(vector) > 0 AND octet_length(vector) % 4 = 0), -- float32, little-endian
    PRIMARY KEY (item_id, space_id)
);
ALTER TABLE item_vector ALTER COLUMN vector SET STORAGE EXTERNAL;

CREATE TABLE factor_model (
    model_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model bytea NOT NULL,
    parameters jsonb NOT NULL,
    catalog_seq bigint NOT NULL CHECK (catalog_seq >= 0), -- what it has seen of the two logs
    interaction_seq bigint NOT NULL CHECK (interaction_seq >= 0),
    create_time timestamptz NOT NULL DEFAULT now(),
    activate_time timestamptz -- when it last went live; null: never
);
ALTER TABLE factor_model ALTER COLUMN model SET STORAGE EXTERNAL;

-- What is live: one row.
CREATE TABLE setting (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    active_space_id bigint REFERENCES embedding_space,
    active_model_id bigint REFERENCES factor_model
);
INSERT INTO setting DEFAULT VALUES;

-- Append-only, except that deleting a user removes rows and merging a visitor renames them.
CREATE TABLE interaction (
    interaction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text COLLATE "C" CHECK (octet_length(user_id) BETWEEN 1 AND 256),
    visitor_id text COLLATE "C" CHECK (octet_length(visitor_id) BETWEEN 1 AND 256),
    item_id text COLLATE "C" NOT NULL CHECK (octet_length(item_id) BETWEEN 1 AND 256), -- need not be registered
    type smallint NOT NULL CHECK (type > 0), -- vitrine.v1.InteractionType
    value double precision NOT NULL CHECK (value BETWEEN 0 AND 5),
    event_time timestamptz NOT NULL,
    recommendation_id text COLLATE "C" NOT NULL,
    request_id uuid, -- links the stored response, so that it goes when the user goes
    seq bigint NOT NULL CHECK (seq > 0),
    create_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT interaction_actor CHECK (num_nonnulls(user_id, visitor_id) = 1)
);
CREATE INDEX interaction_user ON interaction (user_id, event_time DESC, interaction_id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX interaction_visitor ON interaction (visitor_id, event_time DESC, interaction_id DESC) WHERE visitor_id IS NOT NULL;
CREATE INDEX interaction_item ON interaction (item_id, event_time DESC, interaction_id DESC);
CREATE INDEX interaction_seq ON interaction (seq);

-- Writes that carried a request id, with their answers. A response to an interaction names
-- nobody: the retry brings the same body.
CREATE TABLE request (
    request_id uuid PRIMARY KEY,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32), -- SHA-256 of the request
    seq bigint NOT NULL CHECK (seq >= 0), -- the change number; 0: nothing changed
    response jsonb NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);

-- The newest deletion of each item (kind 1, subject: item id) and activation of each embedding
-- space (2) and factor model (3, subject: the number). Items written are found by item.seq.
CREATE TABLE catalog_change (
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
    subject text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    PRIMARY KEY (kind, subject)
);
CREATE INDEX catalog_change_seq ON catalog_change (seq);

-- Merges of a visitor into a user. A deleted user leaves no row here, which would be a trace,
-- but raises change_counter.reload_below.
CREATE TABLE actor_change (
    seq bigint PRIMARY KEY CHECK (seq > 0), -- of the interaction log
    visitor_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    request_id uuid, -- of the merge, which goes with either of the two
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX actor_change_visitor ON actor_change (visitor_id);
CREATE INDEX actor_change_user ON actor_change (user_id);

-- +goose Down

DROP TABLE actor_change, catalog_change, request, interaction, setting, factor_model,
    item_vector, embedding_space, item, encoder_output, image, change_counter;
