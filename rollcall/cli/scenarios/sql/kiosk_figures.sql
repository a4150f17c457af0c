-- Marks that stand and were said by a kiosk: any is one too many (rule 17). Read by rollcall/cli/scenarios/front_desk.py.
SELECT count() FROM mark_current FINAL WHERE source = {source:String}
