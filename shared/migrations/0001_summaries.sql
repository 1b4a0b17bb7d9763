-- Finished jobs, usage, and dead letters.
-- Roll back: DROP TABLE dead_letters, usage_daily, summaries; (nothing older reads them).

-- UUIDv7 ids are time-ordered: monthly ranges of id are monthly partitions, made ahead by the
-- maintain function, and a look-up by id reads one of them.
CREATE TABLE summaries (
    id          uuid        PRIMARY KEY,
    tenant      text        NOT NULL,
    region      text        NOT NULL,
    status      text        NOT NULL CONSTRAINT summaries_status CHECK (status IN ('succeeded', 'failed')),
    lane        text        NOT NULL CONSTRAINT summaries_lane CHECK (lane IN ('express', 'standard', 'bulk')),
    created_at  timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    request     jsonb       NOT NULL,
    result      jsonb,
    error       jsonb,
    attempts    jsonb       NOT NULL,
    CONSTRAINT summaries_outcome CHECK ((status = 'succeeded') = (result IS NOT NULL) AND (status = 'failed') = (error IS NOT NULL))
) PARTITION BY RANGE (id);

-- Catches what no partition covers, should maintain ever fall behind: nothing is refused.
CREATE TABLE summaries_default PARTITION OF summaries DEFAULT;

CREATE TABLE usage_daily (
    tenant           text   NOT NULL,
    day              date   NOT NULL,
    succeeded        bigint NOT NULL,
    failed           bigint NOT NULL,
    input_characters bigint NOT NULL,
    PRIMARY KEY (tenant, day)
);

CREATE TABLE dead_letters (
    message_id text        PRIMARY KEY,
    lane       text        NOT NULL,
    job_id     uuid,
    tenant     text,
    reason     text        NOT NULL,
    receives   integer     NOT NULL,
    body_key   text        NOT NULL,
    parked_at  timestamptz NOT NULL
);
