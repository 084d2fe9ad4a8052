reduce (if type == "array" then .[] else 1 end) as $p ({}; {a: .})
