-- What was known at an instant, table by table, in a database of its own: views of what is large, copies of what is small (a statement
-- that names a view thirty times is planned in half the time without a further one behind each). Read by sinks/as_at.py, which
-- fills in: now (the database), at (the instant), first and last (session dates), schools (a condition on urn), and the engine of a
-- copy. mark_current and school_session are not here: they are derived from these.
--
-- Which instant says "known at": ingested_at of what the worker took in (the earliest of a delivery that came twice, which FINAL
-- leaves standing), applied_at of a version of reference data, published_at of amendment windows. A table that keeps its newest rows
-- only is not here (sinks/as_at.py names them), and what reads it cannot be asked.

CREATE VIEW mark_event AS
SELECT * FROM {now}.mark_event FINAL
WHERE session_date BETWEEN {first} AND {last} AND {schools} AND ingested_at <= {at};

CREATE VIEW mark_assertion AS
SELECT * FROM {assertions};

CREATE VIEW period_current AS
SELECT * FROM {periods};

CREATE VIEW mark_reassertion AS
SELECT * FROM {now}.mark_reassertion FINAL
WHERE session_date BETWEEN {first} AND {last} AND {schools} AND ingested_at <= {at};

CREATE VIEW register_receipt AS
SELECT * FROM {now}.register_receipt FINAL
WHERE {schools} AND ingested_at <= {at};

CREATE VIEW kiosk_event AS
SELECT * FROM {now}.kiosk_event FINAL
WHERE event_date BETWEEN {first} AND {last} AND {schools} AND ingested_at <= {at};

CREATE VIEW quarantine AS
SELECT * FROM {now}.quarantine FINAL
WHERE ingested_at <= {at};

CREATE VIEW quarantine_trail AS
SELECT * FROM {now}.quarantine_trail AS t FINAL
WHERE t.at <= {at};

CREATE TABLE reference_version AS
SELECT * FROM {now}.reference_version FINAL
WHERE applied_at <= {at};

CREATE TABLE school AS
SELECT * FROM {now}.school FINAL
WHERE {schools} AND (urn, taken_at) IN (SELECT toUInt32(key), taken_at FROM reference_version WHERE kind = 'school');

CREATE TABLE school_link AS
SELECT * FROM {now}.school_link FINAL
WHERE (urn, taken_at) IN (SELECT toUInt32(key), taken_at FROM reference_version WHERE kind = 'school');

-- The table keeps the newest days only; those known at the instant stand in the versions of `school`, of which they are made.
CREATE TABLE school_life AS
SELECT urn, max(s.taken_at) AS taken_at, argMax(s.opened_on, s.taken_at) AS opened_on, argMax(s.closed_on, s.taken_at) AS closed_on
FROM school AS s
GROUP BY urn;

CREATE TABLE school_span AS
{spans};

-- Of these two, and of school_week, the version is chosen by what reads them, from reference_version.
CREATE VIEW enrolment AS
SELECT * FROM {now}.enrolment FINAL
WHERE {schools};

CREATE VIEW group_membership AS
SELECT * FROM {now}.group_membership FINAL
WHERE {schools};

CREATE TABLE expected_register AS
SELECT * FROM {now}.expected_register FINAL
WHERE {schools} AND (urn, taken_at) IN (SELECT toUInt32(key), taken_at FROM reference_version WHERE kind = 'register');

CREATE TABLE school_opening AS
{openings};

CREATE TABLE calendar_term AS
SELECT * FROM {now}.calendar_term FINAL
WHERE {schools} AND (urn, taken_at) IN (SELECT toUInt32(key), taken_at FROM reference_version WHERE kind = 'calendar');

CREATE TABLE calendar_closure AS
SELECT * FROM {now}.calendar_closure FINAL
WHERE {schools} AND (urn, taken_at) IN (SELECT toUInt32(key), taken_at FROM reference_version WHERE kind = 'calendar');

CREATE TABLE calendar_week AS
SELECT * FROM {now}.calendar_week FINAL
WHERE {schools} AND (urn, taken_at) IN (SELECT toUInt32(key), taken_at FROM reference_version WHERE kind = 'calendar');

CREATE VIEW school_week AS
SELECT * FROM {now}.school_week FINAL
WHERE {schools};

CREATE TABLE school_calendar AS
{calendars};

CREATE TABLE code_map AS
SELECT * FROM {now}.code_map FINAL
WHERE (toString(scheme), published_at) IN (SELECT key, taken_at FROM reference_version WHERE kind = 'code-map');

-- What is built in was known always, here and of the rules between sources.
CREATE TABLE code_category AS
SELECT * FROM {now}.code_category FINAL
WHERE version = 0 OR published_at IN (SELECT taken_at FROM reference_version WHERE kind = 'code-category');

-- Rules of knowledge time are written again when their instant comes (known_from).
CREATE TABLE source_rule AS
SELECT * FROM {now}.source_rule FINAL
WHERE version = 0 OR (known_from <= {at} AND published_at IN (SELECT taken_at FROM reference_version WHERE kind = 'source-rule'));

CREATE TABLE pupil_alias AS
SELECT * FROM {now}.pupil_alias FINAL
WHERE (toString(pupil_id), published_at) IN (SELECT key, taken_at FROM reference_version WHERE kind = 'pupil-alias');

CREATE TABLE merged_pupil AS
SELECT *, toUInt64(1) AS version FROM ({merged});

CREATE TABLE lesson_rule AS
SELECT * FROM {now}.lesson_rule FINAL
WHERE {schools} AND (toString(urn), published_at) IN (SELECT key, taken_at FROM reference_version WHERE kind = 'lesson-rule');

CREATE TABLE amendment_window AS
SELECT * FROM {now}.amendment_window FINAL
WHERE published_at <= {at};

-- These belong to the version of Rollcall, not to an instant (sinks/seed.py).
CREATE TABLE exception_kind AS
SELECT * FROM {now}.exception_kind FINAL;

CREATE TABLE quarantine_kind AS
SELECT * FROM {now}.quarantine_kind FINAL;
