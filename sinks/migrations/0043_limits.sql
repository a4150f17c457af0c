-- needs: access management
-- What analysts and scoped users may take of a server. Where both want it, those who look at their own schools go first: a statement of
-- priority 10 waits while one of priority 1 runs. What has no priority (ingestion) neither waits nor is waited for. Less may be asked for,
-- more may not. A server of another size wants other figures: ALTER SETTINGS PROFILE, which no later migration undoes.
-- The embedded engine has no profiles: its front holds the user `analyst` to limits of its own (rollcall/stack/clickhouse/users.py).

CREATE SETTINGS PROFILE IF NOT EXISTS rollcall_analyst SETTINGS
    readonly = 2,
    priority = 10 MIN 10,
    max_threads = 4 MAX 4,
    max_memory_usage = 8000000000 MAX 8000000000,
    max_execution_time = 300 MAX 300,
    max_concurrent_queries_for_user = 2 MAX 2
    TO rollcall_analyst;

CREATE SETTINGS PROFILE IF NOT EXISTS rollcall_scoped SETTINGS
    readonly = 2,
    priority = 1 MIN 1,
    max_threads = 2 MAX 2,
    max_memory_usage = 2000000000 MAX 2000000000,
    max_execution_time = 30 MAX 30
    TO rollcall_scoped;

CREATE QUOTA IF NOT EXISTS rollcall_analyst KEYED BY user_name FOR INTERVAL 1 hour MAX execution_time = 1200 TO rollcall_analyst;
