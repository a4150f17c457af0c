-- `assertions` of derive_current.sql, with what is said of days on which the URN was not open taken for deleted: it stands nowhere and
-- is a witness all the same (rule 12). By the first and last day that are known now; a URN without them is open always.
-- Read by sinks/derive.py, for derive, verify and repair alike.
(
    SELECT said.* REPLACE (said.deleted OR life.urn != 0 AND (said.session_date < life.opened_on OR said.session_date > life.closed_on) AS deleted)
    FROM {assertions} AS said
    LEFT ANY JOIN
    (
        SELECT urn, opened_on, closed_on FROM school_life FINAL
        WHERE opened_on > toDate(0) OR closed_on < toDate('2149-06-06')
    ) AS life ON life.urn = said.urn
)
