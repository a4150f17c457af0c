-- `of_category` of explain_wanted.sql: what a mark counts as on its date. The counts of the statutory basis have it, and those alone are
-- published. Read by sinks/explaining.py.
category IN {categories:Array(String)}
