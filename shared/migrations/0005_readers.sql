-- A replica can answer a read if it has the newest write of the tenant.
-- Roll back: nothing has to be undone. The version before neither reads nor writes this table.
SET LOCAL lock_timeout = '5s';

-- Each write of a tenant's rows raises the number, in the same transaction. The room that is left
-- in a page lets an update keep to its page, so that the index does not grow.
CREATE TABLE tenant_writes (
    tenant text   PRIMARY KEY,
    number bigint NOT NULL
) WITH (fillfactor = 50);

-- Operators list and select the dead letters of a tenant.
CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, parked_at DESC, message_id DESC);
