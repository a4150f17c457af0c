-- needs: access management
-- What 0008 gives analysts to read, beside 0007.

GRANT SELECT ON school_links TO rollcall_analyst;
GRANT SELECT ON school_successions TO rollcall_analyst;
