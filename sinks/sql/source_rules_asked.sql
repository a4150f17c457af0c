-- {rules} of derive_current.sql for a document that nobody has published: as source_rules_in_force.sql. Read by sinks/source_rules.py.
arraySort(JSONExtract({document:String}, 'Array(Tuple(UInt16, String, UInt32, String, UInt8, String, Array(String), Date, Date))'))
