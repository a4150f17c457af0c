-- Which counts and marks belong to a cell: a condition on school, place, year group, session, code and category. Filled into
-- explain_*.sql by sinks/explaining.py. of_category: explain_category.sql for a column of categories, else true.
session_date = {day:Date} AND has_begun AND (in_headline OR {headline:UInt8} = 0)
  AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)}) AND (empty({las:Array(String)}) OR la_code IN {las:Array(String)})
  AND (empty({phases:Array(String)}) OR phase IN {phases:Array(String)}) AND (empty({trusts:Array(String)}) OR trust_id IN {trusts:Array(String)})
  AND (empty({year_groups:Array(String)}) OR year_group IN {year_groups:Array(String)})
  AND (empty({sessions:Array(String)}) OR session IN {sessions:Array(String)})
  AND (empty({codes:Array(String)}) OR canonical_code IN {codes:Array(String)})
  AND {of_category}
