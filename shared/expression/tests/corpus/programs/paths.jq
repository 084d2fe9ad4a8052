[paths] | length
