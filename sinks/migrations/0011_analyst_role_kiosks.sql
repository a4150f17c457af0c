-- needs: access management
-- Analysts may read what kiosks said.

GRANT SELECT ON kiosk_events TO rollcall_analyst;
