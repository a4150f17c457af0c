-- Entries of a range that stand in quarantine. Read by sinks/writer.py.
SELECT offset, item, toString(reason) AS reason FROM quarantine FINAL WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64}
