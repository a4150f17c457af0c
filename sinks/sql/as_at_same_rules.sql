-- Whether what stands now was derived by what held at the instant: nothing was published since that derive reads, and nobody has
-- published rules between sources or for lessons, which may still be at work on older marks. Aliases are looked at pupil by pupil
-- (as_at_later.sql), code maps mark by mark (as_at_mapped.sql). Read by sinks/as_at_marks.py.
SELECT
    (SELECT count() FROM reference_version
     WHERE kind IN ('code-map', 'source-rule', 'pupil-alias', 'lesson-rule') AND applied_at > {at}) = 0
    AND (SELECT count() FROM source_rule WHERE version > 0) = 0
    AND (SELECT count() FROM lesson_rule) = 0
