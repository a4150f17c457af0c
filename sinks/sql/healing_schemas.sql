-- Schemas that messages of marks were refused for, because the registry did not know them. Read by streams/healing.py.
SELECT DISTINCT schema_id FROM quarantine_stories
WHERE state = 'open' AND reason = 'unknown_schema' AND toString(topic) IN {topics:Array(String)}
