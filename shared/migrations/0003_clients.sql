-- What clients can do besides submitting and reading: cancel, erase, list, and see their usage.
-- Roll back: nothing has to be undone. Version 0.2.0 writes and reads this schema, but it answers 503
-- for a job that a newer version has canceled.
SET LOCAL lock_timeout = '5s';

ALTER TABLE summaries
    ADD COLUMN key text,
    ADD COLUMN deferred boolean NOT NULL DEFAULT false;

-- An erased job keeps its row without its content, so that a late delivery of its message cannot enter
-- it again. All present rows fulfil the new condition, so that they are not read.
ALTER TABLE summaries DROP CONSTRAINT summaries_status;
ALTER TABLE summaries ADD CONSTRAINT summaries_status
    CHECK (status IN ('succeeded', 'failed', 'canceled', 'erased')) NOT VALID;

-- Each index is made for the parent table only, which takes no time. The upkeep makes it for each
-- partition without stopping the writes to it.
CREATE INDEX summaries_by_tenant ON ONLY summaries (tenant, id DESC) INCLUDE (status, lane, expires_at);
CREATE INDEX summaries_by_metadata ON ONLY summaries USING gin ((request -> 'metadata') jsonb_path_ops);
-- Jobs that are emptied before their partition is dropped.
CREATE INDEX summaries_by_expiry ON ONLY summaries (expires_at) WHERE expires_at - finished_at < interval '30 days';
-- A client that erases its job erases its dead letters too.
CREATE INDEX dead_letters_by_job ON dead_letters (job_id);

-- `usage_daily` stays as version 0.2.0 has written it, and is read together with this table.
CREATE TABLE usage_by_key (
    tenant            text   NOT NULL,
    day               date   NOT NULL,
    key               text   NOT NULL,
    accepted          bigint NOT NULL DEFAULT 0,
    deferred          bigint NOT NULL DEFAULT 0,
    succeeded         bigint NOT NULL DEFAULT 0,
    failed            bigint NOT NULL DEFAULT 0,
    canceled          bigint NOT NULL DEFAULT 0,
    input_characters  bigint NOT NULL DEFAULT 0,
    output_characters bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, day, key)
);

-- Submissions that made no job. Each region counts its own ones, and begins a new generation if it has
-- lost its count.
CREATE TABLE tallies (
    tenant     text   NOT NULL,
    day        date   NOT NULL,
    key        text   NOT NULL,
    region     text   NOT NULL,
    generation text   NOT NULL,
    refused    bigint NOT NULL,
    cached     bigint NOT NULL,
    PRIMARY KEY (tenant, day, key, region, generation)
);
