{(.): .} | tojson
