[nan, infinite, -infinite] | sort, min, max, add
