. as $p | "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" | test($p)?
