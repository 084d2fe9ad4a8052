reduce range(60) as $i ([.]; . + .)
