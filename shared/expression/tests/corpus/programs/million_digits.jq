"1" * 100000 | tonumber | . + 1
