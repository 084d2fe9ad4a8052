1.5 | round(1000000)?, round(-1000000)?, format_decimal(100000; ","; " ")?
