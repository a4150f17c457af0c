-- Who may see which schools: people of a school, a local authority or a trust see their own and no other's. Written by sinks/access.py
-- (`rollcall access`), applied by the row policies of the role rollcall_scoped on a server and by the front of the embedded engine.
--
-- Insert only: a later row of the same user, kind and value takes the place of an earlier one, and all stay to be seen.
CREATE TABLE access_scope
(
    user       String COMMENT 'As ClickHouse or the embedded front knows the user',
    kind       Enum8('urn' = 1, 'la' = 2, 'trust' = 3) COMMENT 'What value names',
    value      String COMMENT 'URN, local authority code or trust id',
    said_at    DateTime64(6, 'UTC') COMMENT 'In force of a user, kind and value is the greatest',
    granted    Bool COMMENT 'False: taken back',
    valid_from Date COMMENT 'First day of the access, not of session dates',
    valid_to   Date COMMENT 'Last day of the access; 2149-06-06 is open',
    author     LowCardinality(String) COMMENT 'A role or a staff reference: who decided it',
    reason     String
)
ENGINE = ReplacingMergeTree ORDER BY (user, kind, value, said_at)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Who may see which schools, everything ever said';

-- currentUser() is who asks, also within a view that reads with its definer's rights. sinks/sql/access_schools.sql says the same of a user
-- who is named. An LA or a trust stands for the schools that are in it today, or were in it last: not for those that have left it.
CREATE VIEW schools_in_scope
(
    urn UInt32 COMMENT 'A school whose rows the user who asks may see'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    may AS
    (
        SELECT toString(kind) AS kind, value
        FROM
        (
            SELECT kind, value, argMax((granted, valid_from, valid_to), said_at) AS last
            FROM access_scope WHERE user = currentUser()
            GROUP BY kind, value
        )
        WHERE last.1 AND toDate(now('Europe/London')) BETWEEN last.2 AND last.3
    )
SELECT DISTINCT urn
FROM
(
    SELECT toUInt32OrZero(value) AS urn FROM may WHERE kind = 'urn'
    UNION ALL
    SELECT urn
    FROM
    (
        SELECT urn, argMax((toString(la_code), toString(trust_id)), valid_from) AS now_in
        FROM schools WHERE valid_from <= toDate(now('Europe/London'))
        GROUP BY urn
    )
    WHERE ('la', now_in.1) IN (SELECT kind, value FROM may) OR ('trust', now_in.2) IN (SELECT kind, value FROM may)
)
WHERE urn != 0
COMMENT 'The schools of the user who asks, by what access_scope grants today';
