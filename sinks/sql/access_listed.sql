-- What was said last of each user, kind and value. Read by sinks/access.py (`rollcall access list`, grant and revoke).
SELECT user, toString(kind) AS kind, value, last.1 AS granted, last.2 AS valid_from, last.3 AS valid_to, toString(last.4) AS author,
    last.5 AS reason, said_at
FROM
(
    SELECT user, kind, value, argMax((granted, valid_from, valid_to, author, reason), s.said_at) AS last, max(s.said_at) AS said_at
    FROM access_scope AS s WHERE {user:String} = '' OR user = {user:String}
    GROUP BY user, kind, value
)
ORDER BY user, kind, value
