-- Whether any pupil's marks count, or once counted, for another. Read by sinks/verify.py.
SELECT count() > 0 FROM pupil_alias WHERE to_pupil_id != 0
