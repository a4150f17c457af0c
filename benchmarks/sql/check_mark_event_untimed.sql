-- The history of a day as rows, XOR and sum of hashes, whenever it was asserted. Read by benchmarks/answer_key.py.
SELECT count() AS rows, groupBitXor(h) AS xored, sum(h) AS summed, countIf(odd) AS odd_rows
FROM
(
    SELECT
        intHash64(bitXor(pupil_id, intHash64(
            toUInt64(urn) * 4294967296 + toUInt64(toUInt8(session)) * 16777216 + toUInt64(minutes_late + 1) * 256
            + toUInt64(ascii(canonical_code))))) AS h,
        raw_code != canonical_code OR exceptions != 0 OR NOT in_scope OR deleted OR superseded AS odd
    FROM mark_event FINAL
    WHERE session_date = {day:Date}
)
