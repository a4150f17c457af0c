-- The schools that a user may see today, as the view schools_in_scope has it for the user who asks. Read by
-- rollcall/stack/clickhouse/scoped.py and sinks/access.py.
WITH
    may AS
    (
        SELECT toString(kind) AS kind, value
        FROM
        (
            SELECT kind, value, argMax((granted, valid_from, valid_to), said_at) AS last
            FROM access_scope WHERE user = {user:String}
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
ORDER BY urn
