-- Other runs that began a migration. Read by sinks/migrate.py.
SELECT checksum FROM schema_migration WHERE number = {number:UInt32} AND state = 'begun' AND run != {run:String}
