-- Counts of a day as rows, XOR and sum of hashes, and counts out of scope. Read by benchmarks/answer_key.py.
SELECT count() AS rows, groupBitXor(h) AS xored, sum(h) AS summed, countIf(NOT scope) AS odd_rows
FROM
(
    SELECT
        intHash64(bitXor(
            intHash64(
                toUInt64(urn) * 4294967296 + toUInt64(toUInt8(session)) * 16777216 + toUInt64(toUInt8OrZero(toString(year_group))) * 256
                + toUInt64(ascii(canonical_code))),
            toUInt64(marks))) AS h,
        in_scope AS scope
    FROM school_session FINAL
    WHERE session_date = {day:Date} AND marks > 0
)
