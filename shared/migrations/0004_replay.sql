-- Operators list, replay and purge dead letters.
-- Roll back: nothing has to be undone. The version before writes and reads this schema.
SET LOCAL lock_timeout = '5s';

-- The region whose bucket holds the body. Older rows have none.
ALTER TABLE dead_letters
    ADD COLUMN region      text,
    ADD COLUMN replayed_at timestamptz;
CREATE INDEX dead_letters_by_time ON dead_letters (parked_at DESC, message_id DESC);

-- Dead letters that an operator has selected by a filter, until they are replayed or purged.
CREATE TABLE dead_letter_selections (
    id         uuid        PRIMARY KEY,
    act        text        NOT NULL CONSTRAINT dead_letter_selections_act CHECK (act IN ('replay', 'purge')),
    letters    text[]      NOT NULL,
    expires_at timestamptz NOT NULL
);
