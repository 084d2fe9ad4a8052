reduce range(40) as $i (.; [., .]) | tojson
