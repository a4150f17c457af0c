-- Schools of which what stands may say something else of a session date than what was known at an instant; 0: it may be any school.
-- None: what stands is what was known then. One too many does no harm, for it is looked up as at the instant. Read by sinks/strike.py.
SELECT DISTINCT urn
FROM
(
    -- Marks that were taken in since. A delivery that came again counts until it is merged away.
    SELECT urn FROM mark_event
    WHERE session_date = {day:Date} AND ingested_at > {at:DateTime64(3, 'UTC')} AND source_kind != 'kiosk' AND NOT superseded
      AND (period = '' OR urn IN (SELECT urn FROM lesson_rule))
    UNION ALL
    -- Reference data that was applied since; what current marks are derived by, also when that was a moment ago: the loader derives
    -- again at once, after 20 s and, of a school's days, after 5 minutes (streams/reference.py).
    SELECT if(kind IN ('school', 'roster', 'register', 'calendar'), toUInt32OrZero(key), 0) FROM reference_version
    WHERE applied_at > {at:DateTime64(3, 'UTC')}
       OR (kind NOT IN ('roster', 'register', 'calendar') AND applied_at > now() - INTERVAL 10 MINUTE
           AND applied_at > (SELECT min(ingested_at) FROM mark_event WHERE session_date = {day:Date}))
    UNION ALL
    -- Rules between sources that came in force since, published before (rule 10).
    SELECT toUInt32(0) FROM source_rule WHERE known_from > {at:DateTime64(3, 'UTC')} AND known_from <= now64(3)
    UNION ALL
    -- Sessions that have begun since, with marks that were made ahead: those count from then on. Openings are the day's, as in
    -- session_openings those of today.
    SELECT urn
    FROM
    (
        SELECT c.urn AS urn, if(o.opens_at = '', if(c.session = 'AM', '00:00', '12:00'), o.opens_at) AS begins
        FROM (SELECT DISTINCT urn, toString(session) AS session FROM school_session WHERE session_date = {day:Date}) AS c
        LEFT JOIN
        (
            SELECT t.urn AS urn, toString(t.session) AS session, min(t.opens_at) AS opens_at
            FROM registers_timetabled AS t
            LEFT JOIN (SELECT urn, week FROM school_weeks WHERE week_commencing = toMonday({day:Date})) AS w ON w.urn = t.urn
            WHERE {day:Date} BETWEEN t.valid_from AND t.valid_to AND has(t.weekdays, toDayOfWeek({day:Date}))
              AND (empty(t.weeks) OR w.week = '' OR has(t.weeks, w.week))
            GROUP BY t.urn, t.session
        ) AS o ON o.urn = c.urn AND o.session = c.session
    )
    WHERE ({day:Date}, begins) > (toDate({at:DateTime64(3, 'UTC')}, 'Europe/London'), formatDateTime({at:DateTime64(3, 'UTC')}, '%H:%i', 'Europe/London'))
      AND ({day:Date}, begins) <= (toDate(now('Europe/London')), formatDateTime(now('Europe/London'), '%H:%i'))
)
ORDER BY urn
