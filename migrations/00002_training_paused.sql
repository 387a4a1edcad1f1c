-- +goose Up

-- Set by a roll-back: no automatic training until somebody trains or activates a model.
ALTER TABLE setting ADD COLUMN training_paused boolean NOT NULL DEFAULT false;

-- +goose Down

ALTER TABLE setting DROP COLUMN training_paused;
