-- What is refused or odd, over all schools and days, with what to do about it. Read by the demo.
SELECT finding, accepted, sum(found) AS found, uniqExact(urn) AS schools, any(what) AS what, any(how_to_resolve) AS how_to_resolve
FROM data_quality
GROUP BY finding, accepted
ORDER BY accepted, found DESC, finding
