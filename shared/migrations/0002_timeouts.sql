-- Bounds the time of every statement of the service.
-- Roll back: ALTER ROLE … IN DATABASE … RESET ALL; (the version before works with these limits too).
--
-- The limits belong to the role in this database, because a SET in a session would bind a client of
-- RDS Proxy to one connection
-- (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html). They hold for
-- connections that are opened after this. A migration has other limits, so that one that takes a
-- lock on a table begins with SET LOCAL lock_timeout = '5s', because requests wait behind it.
DO $$
DECLARE
    setting text;
BEGIN
    FOREACH setting IN ARRAY ARRAY[
        'statement_timeout = ''20s''', 'lock_timeout = ''15s''', 'idle_in_transaction_session_timeout = ''60s'''] LOOP
        EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET %s', current_database(), setting);
    END LOOP;
END $$;
