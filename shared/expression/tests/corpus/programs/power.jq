reduce range(60) as $i (3; . * .)
