tostring * 1000 | split("")
